import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CheckpointSigner, openCheckpoint, parseCheckpoint, printCheckpoint } from './checkpoint.ts';
import { MalformedLedgerError } from './malformed-ledger-error.ts';
import { noteSigner, noteVerifier, parseVerifierKey, readVerifierKey } from './note-key.ts';
import {
  NOTE_CHARACTERS_MAX,
  openNote,
  parseNote,
  printNote,
  SIGNATURES_MAX,
  signNote,
  UntrustedNoteError,
} from './signed-note.ts';
import { EMPTY_ROOT, leafHash } from './tree-hash.ts';
import vectors from './vectors/ledger.json' with { type: 'json' };

const seed = Buffer.from(vectors.seed_hex, 'hex');
const signer = noteSigner(vectors.name, seed);
const verifier = parseVerifierKey(vectors.vkey);
const other = noteSigner('witness.example/w', Buffer.alloc(32, 7));
const otherVerifier = parseVerifierKey(other.verifierKey);
const someNote = vectors.checkpoints[0]?.checkpoint ?? '';

describe('the vectors, made by an implementation that is not ours', () => {
  it('the key: its verifier key is the one that we write and read', () => {
    assert.equal(signer.verifierKey, vectors.vkey);
    const { name, publicKey } = readVerifierKey(vectors.vkey);
    assert.equal(name, vectors.name);
    assert.equal(Buffer.from(publicKey).toString('base64'), vectors.public);
    assert.deepEqual(noteVerifier(name, publicKey).id, verifier.id);
  });

  it('every checkpoint: ours is the same to the byte, theirs is accepted', () => {
    assert.equal(vectors.checkpoints.length, 3);
    for (const { checkpoint, size } of vectors.checkpoints) {
      const root = Buffer.from(vectors.roots[size - 1] ?? '', 'base64');
      assert.equal(new CheckpointSigner(signer, null).sign({ size, root }), checkpoint);
      const opened = openCheckpoint(checkpoint, [verifier]);
      assert.deepEqual({ ...opened, root: Buffer.from(opened.root) }, { origin: vectors.name, size, root });
    }
  });

  it('every bad note is refused, in the way they say', () => {
    assert.equal(vectors.bad.length, 6);
    for (const { note, error, why } of vectors.bad) {
      const kind = error === 'malformed note' ? MalformedLedgerError : UntrustedNoteError;
      assert.throws(() => openNote(note, [verifier]), kind, why);
    }
  });
});

describe('a signed note', () => {
  it('is read as it was written, whatever its text', () => {
    const line = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/\p{Cc}/gu, ''));
    const text = fc.array(line, { minLength: 1 }).map((lines) => `${lines.join('\n')}\n`);
    fc.assert(
      fc.property(text, (signed) => {
        const note = signNote(signed, [signer, other]);
        assert.deepEqual(openNote(note, [verifier, otherVerifier]).text, signed);
        assert.equal(printNote(parseNote(note)), note);
      }),
    );
  });

  it('with any one character changed is refused', () => {
    for (let at = 0; at < someNote.length; at += 1) {
      for (const character of ['A', '\n', '—', ' ']) {
        if (someNote[at] === character) continue;
        const changed = someNote.slice(0, at) + character + someNote.slice(at + 1);
        assert.throws(() => openNote(changed, [verifier]), /./, `${at} ${JSON.stringify(character)}`);
      }
      assert.throws(() => openNote(someNote.slice(0, at), [verifier]), /./, `cut at ${at}`);
    }
  });

  it('by a key that is not known is not trusted, even if it shares the name or the ID', () => {
    assert.throws(() => openNote(signNote('a\n', [other]), [verifier]), UntrustedNoteError);
    const sameName = noteSigner(vectors.name, Buffer.alloc(32, 9));
    assert.throws(() => openNote(signNote('a\n', [sameName]), [verifier]), UntrustedNoteError);
    const { text, signatures } = parseNote(signNote('a\n', [signer]));
    const sameId = printNote({ text, signatures: signatures.map((one) => ({ ...one, name: 'x' })) });
    assert.throws(() => openNote(sameId, [verifier]), UntrustedNoteError);
    assert.throws(() => openNote(someNote, []), UntrustedNoteError);
  });

  it('is refused for one false signature by a known key, even if another is right', () => {
    const good = parseNote(signNote('a\n', [signer, other]));
    const false_ = good.signatures.map((one) =>
      one.name === other.name ? { ...one, signature: Buffer.alloc(64, 1) } : one,
    );
    const note = printNote({ text: good.text, signatures: false_ });
    assert.deepEqual(openNote(note, [verifier]).signedBy, [vectors.name]);
    assert.throws(() => openNote(note, [verifier, otherVerifier]), UntrustedNoteError);
  });

  it('takes as many signatures as the bound says, of lengths that we do not know, and no more', () => {
    const { text, signatures } = parseNote(someNote);
    const unknown = { name: 'pq.example/w', keyId: Buffer.alloc(4, 1), signature: Buffer.alloc(2_428, 2) };
    const withUnknown = (count: number) =>
      printNote({ text, signatures: [...signatures, ...Array<typeof unknown>(count).fill(unknown)] });
    assert.ok(SIGNATURES_MAX >= 16);
    assert.equal(openNote(withUnknown(SIGNATURES_MAX - 1), [verifier]).text, text);
    assert.throws(() => openNote(withUnknown(SIGNATURES_MAX), [verifier]), /more than 64 signatures/);
  });

  it('longer than the bound is not read', () => {
    const fits = signNote(`${'a'.repeat(NOTE_CHARACTERS_MAX - 200)}\n`, [signer]);
    assert.ok(openNote(fits, [verifier]));
    const tooLong = signNote(`${'a'.repeat(NOTE_CHARACTERS_MAX)}\n`, [signer]);
    assert.throws(() => parseNote(tooLong), /longer than/);
  });

  for (const [why, note] of [
    ['nothing', ''],
    ['no text', '\n— a AAAAAAA=\n'],
    ['no signature', 'a\n\n'],
    ['something behind the signatures', 'a\n\n— a AAAAAAA=\nb\n'],
    ['a tab', 'a\tb\n\n— a AAAAAAA=\n'],
    ['a lone surrogate', 'a\ud800\n\n— a AAAAAAA=\n'],
    ['a plus in the name', 'a\n\n— a+b AAAAAAA=\n'],
    ['a blank of another kind in the name', 'a\n\n— a\u00a0b AAAAAAA=\n'],
    ['two blanks', 'a\n\n—  a AAAAAAA=\n'],
    ['no signature behind the key ID', 'a\n\n— a AAAAAA==\n'],
    ['base64 without its padding', 'a\n\n— a AAAAAAA\n'],
    ['base64 with left-over bits', 'a\n\n— a AAAAAAB=\n'],
    ['base64url', 'a\n\n— a AAA_AAA=\n'],
  ] as const) {
    it(`with ${why} is malformed`, () => {
      assert.throws(() => parseNote(note), MalformedLedgerError);
    });
  }
});

describe('a key for verifiers', () => {
  for (const [why, key] of [
    ['another ID', vectors.vkey.replace('613e3b8d', '613e3b8e')],
    ['an ID in capitals', vectors.vkey.replace('613e3b8d', '613E3B8D')],
    ['another name', vectors.vkey.replace('log-1', 'log-2')],
    ['no name', vectors.vkey.slice(vectors.vkey.indexOf('+'))],
    ['a blank', `${vectors.vkey} `],
    ['no key', vectors.vkey.slice(0, vectors.vkey.lastIndexOf('+'))],
    ['a key that is too short', 'a+00000000+AQ=='],
    ['another kind of key', 'a+00000000+Agye'],
  ] as const) {
    it(`with ${why} is refused`, () => {
      assert.throws(() => parseVerifierKey(key), MalformedLedgerError);
    });
  }

  it('whose base64 holds plus signs is read whole', () => {
    const keys = Array.from({ length: 64 }, (_, n) => noteSigner('a', Buffer.alloc(32, n)).verifierKey);
    assert.ok(keys.some((key) => key.split('+').length > 3));
    for (const key of keys) assert.equal(parseVerifierKey(key).name, 'a');
  });

  it('has no name that a note could not hold', () => {
    for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u2003b', '\ud800'])
      assert.throws(() => noteSigner(name, seed), MalformedLedgerError, JSON.stringify(name));
    assert.throws(() => noteSigner('a', Buffer.alloc(31)), TypeError);
    assert.throws(() => noteVerifier('a', Buffer.alloc(33)), TypeError);
  });
});

describe('a checkpoint', () => {
  const root = Buffer.from(EMPTY_ROOT).toString('base64');

  it('is three lines', () => {
    const text = printCheckpoint({ origin: 'a.example/l', size: 0, root: EMPTY_ROOT });
    assert.equal(text, `a.example/l\n0\n${root}\n`);
    assert.deepEqual(parseCheckpoint(text), {
      origin: 'a.example/l',
      size: 0,
      root: new Uint8Array(EMPTY_ROOT),
    });
  });

  for (const [why, text] of [
    ['an extension line', `a\n0\n${root}\nmore\n`],
    ['an empty line', `a\n0\n${root}\n\n`],
    ['two lines', 'a\n0\n'],
    ['no last newline', `a\n0\n${root}`],
    ['a zero in front', `a\n01\n${root}\n`],
    ['a sign', `a\n+1\n${root}\n`],
    ['a fraction', `a\n1.0\n${root}\n`],
    ['a size beyond 2^53', `a\n9007199254740992\n${root}\n`],
    ['no size', `a\n\n${root}\n`],
    ['no origin', `\n0\n${root}\n`],
    ['a blank in its origin', `a b\n0\n${root}\n`],
    ['a short root', 'a\n0\nAAAA\n'],
  ] as const) {
    it(`with ${why} is malformed`, () => {
      assert.throws(() => parseCheckpoint(text), MalformedLedgerError);
    });
  }

  it('signed by a witness alone is not trusted: the log itself must have signed', () => {
    const text = printCheckpoint({ origin: vectors.name, size: 0, root: EMPTY_ROOT });
    assert.throws(
      () => openCheckpoint(signNote(text, [other]), [verifier, otherVerifier]),
      UntrustedNoteError,
    );
    assert.ok(openCheckpoint(signNote(text, [other, signer]), [verifier, otherVerifier]));
  });
});

describe('the signer of a log', () => {
  it('signs no head that contradicts the one before', () => {
    const heads = new CheckpointSigner(signer, { size: 5, root: leafHash('5') });
    assert.throws(() => heads.sign({ size: 4, root: leafHash('4') }), /contradicts/);
    assert.throws(() => heads.sign({ size: 5, root: leafHash('other') }), /contradicts/);
    assert.equal(heads.sign({ size: 5, root: leafHash('5') }), heads.sign({ size: 5, root: leafHash('5') }));
    heads.sign({ size: 6, root: leafHash('6') });
    assert.throws(() => heads.sign({ size: 5, root: leafHash('5') }), /contradicts/);
  });
});
