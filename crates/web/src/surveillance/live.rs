//! Server-sent events: one whenever cards or signals changed. Without a script, or where a proxy holds
//! the stream back, the board asks again by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame as Piece;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use tokio::sync::mpsc;
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};
use tongmai_views::surveillance::Surveillance;

use crate::Site;
use crate::frame::Frame;

/// A stream ends after this; the browser comes again, and a server that stops waits for nobody.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// A comment now and then, so that whoever went away is noticed.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// `/surveillance/live`
pub async fn events(site: &Arc<Site>, _asked: &Asked, _frame: Frame) -> Outcome<Answer> {
    let (send, receive) = mpsc::channel::<Result<Piece<Bytes>, std::io::Error>>(4);
    let mut changed = site.surveillance.changed();
    tokio::spawn(async move {
        let end = tokio::time::Instant::now() + LONGEST;
        let mut text = format!("retry: 2000\nevent: position\ndata: {}\n\n", *changed.borrow_and_update());
        while tokio::time::Instant::now() < end {
            if send.send(Ok(Piece::data(Bytes::from(text)))).await.is_err() {
                return;
            }
            text = match tokio::time::timeout(HEARTBEAT, changed.changed()).await {
                Ok(Ok(())) => match *changed.borrow_and_update() {
                    Surveillance::CLOSED => return,
                    position => format!("event: position\ndata: {position}\n\n"),
                },
                Ok(Err(_)) => return,
                Err(_) => ": still here\n\n".to_owned(),
            };
        }
    });
    let body = StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(receive));
    let mut answer = Answer::new(BodyExt::boxed(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}
