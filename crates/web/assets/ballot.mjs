// Blinds a token on the voter's own device (RSABSSA-SHA384-PSS-Randomized, RFC 9474): the office signs a
// number that says nothing, and nobody can tell the token again when it is spent. Without this script, or
// where the browser keeps its cryptography for secure pages, the form is sent as it is.
const encode = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const decode = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const number = (bytes) => BigInt('0x' + [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(''));
const bytesOf = (value, length) => {
  const hex = value.toString(16).padStart(2 * length, '0');
  return Uint8Array.from({ length }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
};
const joined = (...parts) => {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  parts.reduce((at, part) => (out.set(part, at), at + part.length), 0);
  return out;
};
const hash = async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-384', bytes));
const random = (length) => crypto.getRandomValues(new Uint8Array(length));

function power(base, exponent, modulus) {
  let result = 1n;
  for (base %= modulus; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % modulus;
    base = (base * base) % modulus;
  }
  return result;
}

function inverse(value, modulus) {
  let [a, b, x, y] = [value, modulus, 1n, 0n];
  while (b > 0n) {
    const q = a / b;
    [a, b, x, y] = [b, a % b, y, x - q * y];
  }
  return a === 1n ? ((x % modulus) + modulus) % modulus : null;
}

async function masked(seed, length) {
  let out = new Uint8Array(0);
  for (let i = 0; out.length < length; i += 1) out = joined(out, await hash(joined(seed, bytesOf(BigInt(i), 4))));
  return out.slice(0, length);
}

// EMSA-PSS (RFC 8017, 9.1.1) with a salt as long as the hash.
async function encoded(message, bits) {
  const [length, size] = [Math.ceil(bits / 8), 48];
  const salt = random(size);
  const digest = await hash(joined(new Uint8Array(8), await hash(message), salt));
  const block = joined(new Uint8Array(length - 2 * size - 2), Uint8Array.of(1), salt);
  const mask = await masked(digest, length - size - 1);
  const out = joined(block.map((b, i) => b ^ mask[i]), digest, Uint8Array.of(0xbc));
  out[0] &= 0xff >> (8 * length - bits);
  return out;
}

async function ballot(form) {
  const value = (name) => form.elements[name].value;
  const [n, e, conversation] = [number(decode(value('n'))), number(decode(value('e'))), value('conversation')];
  const length = Math.ceil(n.toString(2).length / 8);
  const [serial, randomizer] = [random(16), random(32)];
  const message = joined(randomizer, new TextEncoder().encode(`tongmai ballot ${conversation} `), serial);
  const m = number(await encoded(message, n.toString(2).length - 1));
  let r, back;
  do {
    r = number(random(length + 8)) % n;
    back = r > 1n ? inverse(r, n) : null;
  } while (back === null);
  const blinded = (m * power(r, e, n)) % n;
  const body = new URLSearchParams({ conversation, number: value('number'), blinded: encode(bytesOf(blinded, length)) });
  const answer = await fetch('/participation/ballot/blind', { method: 'POST', body });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  const signature = (number(decode(text)) * back) % n;
  if (power(signature, e, n) !== m) throw new Error('the signature is not the office\u2019s');
  const token = encode(joined(serial, randomizer, bytesOf(signature, length)));
  document.cookie = `ballot-${conversation}=${token}; path=/participation; max-age=7776000; samesite=strict`;
  location.reload();
}

for (const form of document.querySelectorAll('[data-form="ballot"]')) {
  if (!globalThis.crypto?.subtle) continue;
  form.dataset.ready = '';
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    ballot(form).catch((error) => {
      let note = form.querySelector('.attention');
      if (!note) form.append((note = Object.assign(document.createElement('p'), { className: 'attention' })));
      note.setAttribute('role', 'alert');
      note.textContent = error.message;
    });
  });
}
