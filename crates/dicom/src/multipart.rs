//! `multipart/related` (RFC 2387), as DICOMweb packs files.

use memchr::memmem;

/// A boundary that no file of ours contains by chance.
const BOUNDARY: &str = "tongmai-7d1f0c58a2e94b6d-part";

/// The media type of what [`write`] makes.
pub const MEDIA_TYPE: &str =
    "multipart/related; type=\"application/dicom\"; boundary=tongmai-7d1f0c58a2e94b6d-part";

/// The parts of a body; `None` when it is not multipart, or has none.
pub fn parts<'b>(content_type: &str, body: &'b [u8]) -> Option<Vec<&'b [u8]>> {
    if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/related") {
        return None;
    }
    let boundary = content_type.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    if boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let ends: Vec<usize> = memmem::find_iter(body, &delimiter).collect();
    let mut parts = Vec::new();
    for pair in ends.windows(2) {
        let part = &body[pair[0] + delimiter.len()..pair[1]];
        let Some(head) = memmem::find(part, b"\r\n\r\n") else { continue };
        let content = &part[head + 4..];
        parts.push(content.strip_suffix(b"\r\n").unwrap_or(content));
    }
    (!parts.is_empty()).then_some(parts)
}

/// Files as a body of [`MEDIA_TYPE`].
pub fn write(files: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::with_capacity(files.iter().map(|file| file.len() + 128).sum());
    for file in files {
        body.extend_from_slice(format!("--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n").as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let files = vec![b"DICM\r\n--x".to_vec(), Vec::new(), vec![0, 255, 13, 10]];
        let body = write(&files);
        assert!(MEDIA_TYPE.ends_with(BOUNDARY));
        let found: Vec<Vec<u8>> =
            parts(MEDIA_TYPE, &body).expect("parts").into_iter().map(<[u8]>::to_vec).collect();
        assert_eq!(found, files);
        assert!(parts("application/dicom", &body).is_none());
        assert!(parts("multipart/related; boundary=other", &body).is_none());
        assert!(parts("multipart/related", &body).is_none());
    }
}
