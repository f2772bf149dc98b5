// Checks in the reader's own browser that an entry is in the log: RFC 6962 with SHA-256.

const hex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const sha = async (...parts) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer()));
const digits = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

async function includes({ text, salt, commitments, index, time, path, size, root }) {
  const hashes = commitments.split(" ");
  if (!hashes.includes(digits(await sha(hex(salt), text)))) return false;
  const data = `tongmai read 1\n${index}\n${time}\n${hashes.map((hash) => `${hash}\n`).join("")}`;
  let hash = await sha(Uint8Array.of(0), data);
  let [place, last] = [Number(index), Number(size) - 1];
  if (place > last) return false;
  for (const other of path.split(" ").filter(Boolean).map(hex)) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      hash = await sha(Uint8Array.of(1), other, hash);
      while (place % 2 === 0 && place !== 0) {
        place = Math.floor(place / 2);
        last = Math.floor(last / 2);
      }
    } else hash = await sha(Uint8Array.of(1), hash, other);
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && digits(hash) === root;
}

const proof = document.querySelector("#proof");
if (proof?.dataset.profile === "sha-256") {
  const begun = performance.now();
  const good = await includes(proof.dataset);
  const took = performance.now() - begun;
  proof.textContent = good ? `✓ ${proof.dataset.good} (${took.toFixed(1)} ms)` : `⚠ ${proof.dataset.bad}`;
  proof.className = good ? "good" : "danger";
  proof.dataset.took = took;
}
