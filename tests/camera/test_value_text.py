"""What people write for a value or several: read as it is meant, or refused with what to write."""

import time

import pytest

from genphoto.camera.sweep import CameraSweep

WIDE = str.maketrans({code: code + 0xFEE0 for code in range(0x21, 0x7F)})


@pytest.mark.parametrize(
    ("setting", "text", "values"),
    [
        ("aperture", "f/1,4 f/2,8", (1.4, 2.8)),
        ("aperture", "1,4; 2,8", (1.4, 2.8)),
        ("aperture", "f/1,4, f/2,8", (1.4, 2.8)),
        ("aperture", "f/1,4,f/2,8", (1.4, 2.8)),
        ("aperture", "1,4\r\n2,8", (1.4, 2.8)),
        ("aperture", "1,4\N{NO-BREAK SPACE}2,8", (1.4, 2.8)),
        ("focal_length", "24,5 mm 35 mm", (24.5, 35)),
        ("shutter_speed", "0,5 s 1/2,5", (0.5, 0.4)),
        ("shutter_speed", "0,5", (0.5,)),  # 0 s is no exposure
        ("shutter_speed", "0,5,1,0", (0.5, 1)),
        ("shutter_speed", "1,0", (1,)),
        ("tint", "-0,01 0 +0,01", (-0.01, 0, 0.01)),
        ("tint", "0,01,0,02", (0.01, 0.02)),
        ("tint", "\u22120,01 0,01", (-0.01, 0.01)),
        ("aperture", "\u0192/1.8 \u0192/2,8", (1.8, 2.8)),
        ("aperture", "f/1,4, f/2", (1.4, 2)),
    ],
)
def test_a_decimal_comma_is_read(setting, text, values):
    assert CameraSweep({setting: text}).values[setting] == pytest.approx(values)


@pytest.mark.parametrize(
    ("setting", "text", "values"),
    [
        ("focal_length", "24,35,50", (24, 35, 50)),
        ("focal_length", "24,35", (24, 35)),
        ("focal_length", "24,35,50,70", (24, 35, 50, 70)),
        ("focal_length", "24,35 mm", (24, 35)),
        ("focal_length", "24\u00a0mm\n35\u00a0mm", (24, 35)),
        ("focal_length", "\uff12\uff14\uff4d\uff4d\uff0c \uff13\uff15", (24, 35)),
        ("focal_length", "24mm,35,50", (24, 35, 50)),
        ("focal_length", "24,35,50 70", (24, 35, 50, 70)),
        ("shutter_speed", "1/60,1/30", (1 / 60, 1 / 30)),
        ("shutter_speed", "0.1,0.2 0.5", (0.1, 0.2, 0.5)),
        ("aperture", "f/1.4,f/2.8,f/4", (1.4, 2.8, 4)),
        ("bokeh", "1,30", (1, 30)),
        ("bokeh", "2,6,12,18,28", (2, 6, 12, 18, 28)),
        ("color_temperature", "2000,3000 4000", (2000, 3000, 4000)),
        ("aperture", "1、4", (1, 4)),
    ],
)
def test_commas_that_separate_go_on_to_do_so(setting, text, values):
    assert CameraSweep({setting: text}).values[setting] == pytest.approx(values)


@pytest.mark.parametrize(
    ("setting", "text", "one", "other"),
    [
        ("aperture", "1,4,2,8", "1.4 2.8", "1 4 2 8"),
        ("aperture", "2,8", "2.8", "2 8"),
        ("aperture", "f/1,4", "f/1.4", "f/1 4"),
        ("shutter_speed", "1.4,2 2,8", "2.8", "1.4 2 2 8"),
        ("focal_length", "1,200", "1.200", "1 200"),
        ("focal_length", ["1,200"], "1.2 ", "1200"),
        ("shutter_speed", ["2,500 s"], "2.5 ", "2500"),
    ],
)
def test_an_ambiguous_comma_is_refused_with_what_to_write(setting, text, one, other):
    with pytest.raises(ValueError, match="comma") as refused:
        CameraSweep({setting: text})
    said = str(refused.value)
    assert one in said
    assert other in said
    assert "Write" in said


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        ("aperture", "ƒ/1.8", 1.8),
        ("aperture", "\U0001d453/1,8", 1.8),
        ("aperture", "f / 2,8", 2.8),
        ("aperture", "2,8", 2.8),  # one value: its comma separates nothing
        ("aperture", "F2.8".translate(WIDE), 2.8),
        ("shutter_speed", "1/125 s", 1 / 125),
        ("shutter_speed", "1\N{FRACTION SLASH}125\N{NO-BREAK SPACE}s", 1 / 125),
        ("shutter_speed", "1/1,000", 1 / 1000),
        ("shutter_speed", "2″", 2),
        ("shutter_speed", "2''", 2),
        ("focal_length", "24㎜", 24),
        ("focal_length", "24mm".translate(WIDE), 24),
        ("focal_length", "٢٤", 24),
        ("focal_length", "1,234.5 mm", 1234.5),
        ("focal_length", "1.234,5 mm", 1234.5),
        ("color_temperature", "5500K", 5500),
        ("color_temperature", "5500\N{KELVIN SIGN}", 5500),
        ("color_temperature", "10,000 K", 10000),
        ("color_temperature", "10'000 K", 10000),
        ("color_temperature", "10\N{RIGHT SINGLE QUOTATION MARK}000 K", 10000),
        ("color_temperature", "10\N{NARROW NO-BREAK SPACE}000\N{NO-BREAK SPACE}K", 10000),
        ("tint", "\N{MINUS SIGN}0.01", -0.01),
    ],
)
def test_one_value_is_read_in_every_notation(setting, text, value):
    assert CameraSweep({setting: [text]}).values[setting] == (pytest.approx(value),)


@pytest.mark.parametrize("text", ["10,000 K", "10'000\N{NO-BREAK SPACE}K", "10\N{NARROW NO-BREAK SPACE}000 K"])
def test_thousands_are_grouped_in_a_list_too(text):
    assert CameraSweep({"color_temperature": f"5500 K {text}"}).values["color_temperature"] == (5500, 10000)
    assert CameraSweep({"color_temperature": text}).values["color_temperature"] == (10000,)


def test_much_white_space_is_read_at_once():
    start = time.process_time()
    assert CameraSweep({"aperture": "2" + " " * 100_000 + "4"}).values["aperture"] == (2, 4)
    assert time.process_time() - start < 3


def test_a_long_text_of_thousands_is_read_at_once():
    with pytest.raises(ValueError, match="cannot be read"):
        CameraSweep({"aperture": ["x1,000" * 1000]})
    assert len(CameraSweep({"color_temperature": "10,000 " * 1000})) == 1000


@pytest.mark.parametrize("text", ["10²", "1½", "1,4,5", "24-70", "1/2/3", "1,", "0x18"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match=r"Aperture = .* cannot be read as a value in f-number"):
        CameraSweep({"aperture": [text]})


@pytest.mark.parametrize("value", [10**400, "9" * 400, -(10**400), 10**5000], ids=["int", "text", "negative", "huge"])
def test_a_number_of_hundreds_of_digits_is_refused_in_a_short_line(value):
    with pytest.raises(ValueError, match=r"Aperture = .* is not between 0\.01 and 5000") as refused:
        CameraSweep({"aperture": [value]})
    assert len(str(refused.value)) < 300
