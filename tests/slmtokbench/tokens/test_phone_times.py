import math

import pytest

from espnet_st.data.kaldi import TimedPhone
from espnet_st.slmtokbench.tokens.phone_times import check_phone_times


def two_phones(end, scale=1.0):
    middle = end / 2
    return [
        TimedPhone(0.0, middle * scale, "A"),
        TimedPhone(middle * scale, middle * scale, "B"),
    ]


def test_times_of_these_codes_pass():
    alignments = {"u": two_phones(2.0), "v": two_phones(3.1), "w": []}
    check_phone_times({"u": 2.0, "v": 3.0, "w": 1.0}, alignments)


@pytest.mark.parametrize("scale", [1000, 100, 50])
def test_milliseconds_and_frames_are_refused_with_both_durations(scale):
    with pytest.raises(ValueError, match=rf"u at {2 * scale}.00, its codes at 2.00 s"):
        check_phone_times({"u": 2.0}, {"u": two_phones(2.0, scale)})


def test_codes_of_half_the_rate_are_refused():
    # 50 frames per second taken for 25: the codes seem to last twice as long.
    alignments = {"u": two_phones(2.0), "v": two_phones(3.0)}
    with pytest.raises(ValueError, match=r"at 5.00 s in sum, the codes at 10.00 s"):
        check_phone_times({"u": 4.0, "v": 6.0}, alignments)


def test_silence_at_the_end_of_some_utterances_is_no_error():
    check_phone_times(
        {"u": 4.0, "v": 10.0}, {"u": two_phones(1.0), "v": two_phones(10.0)}
    )


@pytest.mark.parametrize(
    "phone",
    [
        TimedPhone(math.nan, 1, "A"),
        TimedPhone(0, math.inf, "A"),
        TimedPhone(-1, 1, "A"),
    ],
)
def test_times_that_are_none_are_refused(phone):
    with pytest.raises(ValueError, match="phone A of u starts at"):
        check_phone_times({"u": 2.0}, {"u": [phone]})
