//! Changes to what is signed and to what is sent, byte by byte.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};

use crate::{
    dice::Dice,
    keys::{decode, encode},
};

/// Changes a header or payload before it is signed: whatever JSON can be broken by.
pub(crate) fn change_signed(dice: &mut Dice, part: &mut Vec<u8>) {
    const BYTES: &[u8] = b"\"\\/{}[]:,.-+eE09ufnt \n\t\r\0\x1f\x7f\x80\xc3\xed\xf4\xff";
    let at = dice.below(part.len().max(1)).min(part.len().saturating_sub(1));
    let byte = dice.one_of(BYTES);
    match dice.below(13) {
        _ if part.is_empty() => part.push(byte),
        0 => part[at] ^= 1 << dice.below(8),
        1 => part[at] = byte,
        2 => part.insert(at, byte),
        3 => drop(part.remove(at)),
        4 => part.truncate(at),
        5 => part.extend_from_within(at..),
        6 => part.push(byte),
        7 => drop(part.splice(..0, *b"\xef\xbb\xbf")),
        8 => *part = [b"[", &**part, b"]"].concat(),
        9 => *part = part.iter().flat_map(|byte| [*byte, 0]).collect(),
        10 => part.extend(part.clone()),
        11 => {
            // Inside of a string, where there is one: what only a decoder of its text finds.
            let quotes: Vec<usize> = (0..part.len()).filter(|at| part[*at] == b'"').collect();
            let at = if quotes.is_empty() { at } else { dice.one_of(&quotes) };
            let bad: &[u8] =
                dice.one_of(&[b"\xff".as_slice(), b"\xed\xa0\x80", b"\\ud800", b"\xc3\xa9"]);
            drop(part.splice(at..at, bad.iter().copied()));
        }
        _ => part[at].make_ascii_uppercase(),
    }
}

/// Changes a token after it was signed. The other one is good as well.
pub(crate) fn change_sent(dice: &mut Dice, token: &mut Vec<u8>, other: &[u8]) {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const FOREIGN: &[u8] = b".=+/ \n\r\t\0%~\"\x80\xc3\xff";
    let at = dice.below(token.len().max(1)).min(token.len().saturating_sub(1));
    match dice.below(9) {
        _ if token.is_empty() => token.push(b'.'),
        0 => token[at] ^= 1 << dice.below(8),
        1 => token[at] = dice.one_of(ALPHABET),
        2 => token[at] = dice.one_of(FOREIGN),
        3 => token.insert(at, dice.one_of(&[ALPHABET, FOREIGN].concat())),
        4 => drop(token.remove(at)),
        5 => token.truncate(at),
        6 => token.push(dice.one_of(FOREIGN)),
        _ => {
            let mut parts: Vec<Vec<u8>> = split(token);
            change_parts(dice, &mut parts, &split(other));
            *token = parts.join(&b'.');
        }
    }
}

fn change_parts(dice: &mut Dice, parts: &mut Vec<Vec<u8>>, other: &[Vec<u8>]) {
    let at = dice.below(parts.len());
    match dice.below(8) {
        0 => drop(parts.remove(at)),
        1 => parts.insert(at, dice.pick(other).clone()),
        2 => parts[at] = other.get(at).cloned().unwrap_or_default(),
        3 => dice.shuffle(parts),
        4 => parts[at].clear(),
        5 => parts[at] = respelt(dice, &parts[at]),
        6 => drop(parts.splice(at..at, [vec![], vec![]])),
        _ => {
            // Another signature of the same or another length, well spelt.
            let mut signature = parts.last().and_then(|part| decode(part)).unwrap_or_default();
            match dice.below(4) {
                0 => signature.reverse(),
                1 => signature.push(0),
                2 => drop(signature.pop()),
                _ => signature.fill(0),
            }
            parts.pop();
            parts.push(encode(&signature).into_bytes());
        }
    }
}

/// The same bytes in the spellings of lax decoders.
fn respelt(dice: &mut Dice, part: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bytes = decode(part).unwrap_or_default();
    match dice.below(4) {
        0 => URL_SAFE.encode(bytes).into_bytes(),
        1 => STANDARD.encode(bytes).into_bytes(),
        2 => [part, dice.one_of(&[b"=".as_slice(), b"==", b"\n", b" "])].concat(),
        _ => {
            let mut changed = part.to_vec();
            let value = |byte: u8| ALPHABET.iter().position(|known| *known == byte);
            if let Some(last) = changed.last_mut()
                && let Some(value) = value(*last)
            {
                *last = ALPHABET[value ^ 1];
            }
            changed
        }
    }
}

fn split(token: &[u8]) -> Vec<Vec<u8>> {
    token.split(|byte| *byte == b'.').map(<[u8]>::to_vec).collect()
}
