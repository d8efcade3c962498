//! Integers as the protocol and the values write them.

/// The number that these bytes write: an optional minus, no zero in front, no space, within 64 bits.
pub(super) fn parse(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let canonical = match digits {
        [b'0'] => !negative,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical || digits.len() > 19 {
        return None;
    }
    let magnitude = digits.iter().fold(0_i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// The number in decimal.
pub(super) fn format(number: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    append(&mut bytes, number);
    bytes
}

/// Appends the number in decimal.
pub(super) fn append(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0_u8; 20];
    let mut place = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        place -= 1;
        digits[place] = b'0' + u8::try_from(rest % 10).expect("a digit is below ten");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[place..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_a_number() {
        for (text, number) in
            [("0", 0), ("-1", -1), ("10", 10), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(parse(text.as_bytes()), Some(number), "{text}");
            assert_eq!(format(number), text.as_bytes());
        }
        for text in ["", "-", "-0", "01", "+1", " 1", "1 ", "1.0", "abc", "9223372036854775808", "99999999999999999999"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
