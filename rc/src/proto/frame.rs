//! Frames: how a request or a reply lies on the wire, and what is no frame.

use super::{MAX_FRAME, VERSION};
use supervisor::coder::{self, Coded};

/// Why a frame cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// It is longer than [`MAX_FRAME`], or empty.
    Length(u32),
    /// The other side speaks this version.
    Version(u8),
    /// It is not what it should be.
    Malformed,
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length(length) => {
                write!(f, "a frame of {length} bytes; 1 to {MAX_FRAME} are valid")
            }
            Self::Version(version) => {
                write!(f, "control protocol version {version}; this is version {VERSION}")
            }
            Self::Malformed => f.write_str("a malformed frame"),
        }
    }
}

/// A value as a frame, its length included.
///
/// # Errors
/// If it is too long.
pub fn encode<T: Coded>(value: &mut T) -> Result<Vec<u8>, FrameError> {
    let frame = vec![0, 0, 0, 0, VERSION];
    let mut frame = coder::encode(value, frame);
    let length = u32::try_from(frame.len().wrapping_sub(4)).unwrap_or(u32::MAX);
    if length as usize > MAX_FRAME {
        return Err(FrameError::Length(length));
    }
    frame[..4].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// The length of the first frame in `bytes` without its length word; `None` if not even that is there.
///
/// # Errors
/// If no frame may have that length.
pub fn frame_length(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some(word) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*word);
    if length == 0 || length as usize > MAX_FRAME {
        return Err(FrameError::Length(length));
    }
    Ok(Some(length as usize))
}

/// The value in a frame, its length word taken off.
///
/// # Errors
/// If it is of another version, not a value, or followed by something.
pub fn decode<T: Coded>(frame: &[u8]) -> Result<T, FrameError> {
    let (version, body) = frame.split_first().ok_or(FrameError::Malformed)?;
    if *version != VERSION {
        return Err(FrameError::Version(*version));
    }
    coder::decode(body).ok_or(FrameError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Goal, Request, Verb},
        *,
    };

    #[test]
    fn frames_round_trip() {
        let mut request = Request::Wait { name: "wan".into(), goal: Goal::Ready, after: 3 };
        let frame = encode(&mut request).unwrap();
        assert_eq!(frame_length(&frame), Ok(Some(frame.len() - 4)));
        assert_eq!(decode::<Request>(&frame[4..]), Ok(request));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert_eq!(frame_length(&[1, 0, 0]), Ok(None));
        assert_eq!(frame_length(&[0; 4]), Err(FrameError::Length(0)));
        assert_eq!(frame_length(&[0xff; 4]), Err(FrameError::Length(u32::MAX)));
        assert_eq!(decode::<Request>(&[VERSION + 1, 0]), Err(FrameError::Version(VERSION + 1)));
        assert_eq!(decode::<Request>(&[]), Err(FrameError::Malformed));
        assert_eq!(decode::<Request>(&[VERSION, 200]), Err(FrameError::Malformed));
        let mut frame = encode(&mut Request::Info).unwrap();
        frame.push(0);
        assert_eq!(decode::<Request>(&frame[4..]), Err(FrameError::Malformed));
    }

    #[test]
    fn any_byte_sequence_is_survived() {
        let frame =
            encode(&mut Request::Change { verb: Verb::Start, names: vec!["a".into(), "b".into()] })
                .unwrap();
        for position in 4..frame.len() {
            for bit in 0..8 {
                let mut damaged = frame.clone();
                damaged[position] ^= 1 << bit;
                // Whatever it decodes to, it does so without a panic or a huge allocation.
                drop(decode::<Request>(&damaged[4..]));
            }
        }
    }
}
