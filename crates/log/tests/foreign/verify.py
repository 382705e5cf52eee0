"""Checks a log directory and its .tlog-proof files without any code of Quorate.

python3 verify.py DIR LOG_KEY [COSIGNER_KEY ...]     (Python 3.11, and openssl for Ed25519)
DIR holds checkpoint, tile/… and pairs of NAME.entry and NAME.tlog-proof. Keys are vkeys as in
c2sp.org/signed-note. Prints what it checked; any difference ends it with an error."""
import base64, hashlib, pathlib, subprocess, sys, tempfile
SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410, before the 32 bytes of the key
def sha(*parts): return hashlib.sha256(b"".join(parts)).digest()
def leaf(entry): return sha(b"\0", entry)
def node(left, right): return sha(b"\1", left, right)
def split(size): return 1 << (size - 1).bit_length() - 1
def parts(hashes): return [hashes[i:i + 256] for i in range(0, len(hashes), 256)]
def root(hashes):  # RFC 9162 section 2.1.1
    if len(hashes) < 2: return hashes[0] if hashes else sha()
    return node(root(hashes[:split(len(hashes))]), root(hashes[split(len(hashes)):]))
def climb(hash, index, size, path):  # the root that an inclusion proof leads to, from the top
    assert (size == 1) == (not path), "proof too long or too short"
    if size == 1: return hash
    k = split(size)
    if index < k: return node(climb(hash, index, k, path[:-1]), path[-1])
    return node(path[-1], climb(hash, index - k, size - k, path[:-1]))
def ed25519(key, message, signature):
    with tempfile.TemporaryDirectory() as directory:
        command = "openssl pkeyutl -verify -rawin -pubin -keyform DER".split()
        for option, content in ("-inkey", SPKI + key), ("-in", message), ("-sigfile", signature):
            command += [option, pathlib.Path(directory, option)]
            command[-1].write_bytes(content)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

def check_note(note):  # gives size and root
    (text, lines), signed = note.rsplit(b"\n\n", 1), set()
    text += b"\n"
    origin, size, root64 = text.decode().splitlines()
    for vkey in vkeys:
        name, key_id, key = vkey.split("+", 2)
        kind, key = base64.b64decode(key)[:1], base64.b64decode(key)[1:]
        assert sha(name.encode(), b"\n", kind, key)[:4].hex() == key_id, "wrong key id"
        for dash, signer, blob in (line.split(" ") for line in lines.decode().splitlines()):
            blob = base64.b64decode(blob, validate=True)
            if dash != "—" or signer != name or blob[:4].hex() != key_id: continue
            message, signature = text, blob[4:]
            if kind == b"\x04":
                time, signature = int.from_bytes(blob[4:12], "big"), blob[12:]
                message = b"cosignature/v1\ntime %d\n%s" % (time, text)
            ed25519(key, message, signature)
            signed.add(vkey)
    assert signed == set(vkeys), "a signature is missing"
    assert origin == vkeys[0].split("+")[0], "another log"
    return int(size), base64.b64decode(root64, validate=True)

def read(prefix, n, width):
    digits = f"{n:0{-(-len(str(n)) // 3) * 3}d}"
    groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    path = "/".join([prefix] + ["x" + group for group in groups[:-1]] + groups[-1:])
    return (base / (path + f".p/{width}" * (width < 256))).read_bytes()

base, vkeys, leaves, level, tiles = pathlib.Path(sys.argv[1]), sys.argv[2:], [], 0, 0
size, expected = check_note((base / "checkpoint").read_bytes())
for n in range(-(-size // 256)):
    data = read("tile/entries", n, min(256, size - 256 * n))
    while data:
        end = 2 + int.from_bytes(data[:2], "big")
        leaves.append(leaf(data[2:end]))
        data = data[end:]
assert len(leaves) == size and root(leaves) == expected, "entries do not lead to the root"
while leaves:
    for n, part in enumerate(parts(leaves)):
        assert read(f"tile/{level}", n, len(part)) == b"".join(part), "tile differs"
    tiles, level = tiles + len(parts(leaves)), level + 1
    leaves = [root(part) for part in parts(leaves) if len(part) == 256]
for path in sorted(base.glob("*.tlog-proof")):
    head, note = path.read_bytes().split(b"\n\n", 1)
    header, index, *hashes = [x for x in head.decode().splitlines() if not x.startswith("extra ")]
    (proof_size, proof_root), index = check_note(note), int(index.removeprefix("index "))
    proof = [base64.b64decode(x, validate=True) for x in hashes]
    entry = leaf(path.with_suffix(".entry").read_bytes())
    assert header == "c2sp.org/tlog-proof@v1" and 0 <= index < proof_size, "not a proof"
    assert climb(entry, index, proof_size, proof) == proof_root, "not included"
    print(f"{path.name}: included")
print(f"log: {size} entries, {tiles} tiles, {len(vkeys)} signatures")
