//! Which of a cluster's slots a key is in: CRC16 (XMODEM) of its hash tag, by the cluster's
//! specification.

/// How many slots a cluster has.
pub(crate) const SLOTS: usize = 16384;

pub(crate) fn slot(key: &str) -> usize {
    usize::from(crc16(tag(key).as_bytes())) % SLOTS
}

/// What is between the first `{` and the next `}`, if anything is; or else the whole key.
fn tag(key: &str) -> &str {
    let inside = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    inside.map(|(tag, _)| tag).filter(|tag| !tag.is_empty()).unwrap_or(key)
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        // As `CLUSTER KEYSLOT` answers.
        assert_eq!(slot("foo"), 12182);
        assert_eq!(slot("p:{foo}:epoch"), 12182);
        assert_eq!(slot("{foo}{bar}"), 12182);
        assert_eq!(slot(""), 0);
        assert_ne!(slot("a{}b"), slot(""), "an empty tag is none");
        assert_ne!(slot("a{}b"), slot("c{}d"));
    }
}
