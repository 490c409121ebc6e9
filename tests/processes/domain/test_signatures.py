"""Which deliveries are authentic, and which only look like it."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.signatures import Delivery, Refusal, SignatureError, Verified, key_of, sign, verify

BODY = b'{"order": 7}'
NOW = 1_800_000_000
KEY, OTHER = b"k" * 32, b"o" * 32
STYLES = ["standard", "github", "stripe"]


def delivery(headers: dict[str, str], body: bytes = BODY) -> Delivery:
    return Delivery(headers={name.lower(): value for name, value in headers.items()}, body=body)


def check(given: Delivery, style: str, *keys: bytes, **options: object) -> Verified:
    settings = {"now": NOW, "tolerance_seconds": 300, **options}
    return verify(given, style=style, keys=keys or (KEY,), **settings)  # type: ignore[arg-type]


def refusal_of(given: Delivery, style: str, *keys: bytes, **options: object) -> Refusal:
    with pytest.raises(SignatureError) as refused:
        check(given, style, *keys, **options)
    return refused.value.refusal


# -- what the styles' own pages give as examples ----------------------------------------------------------------------


def test_the_example_of_github_is_authentic() -> None:
    signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    given = delivery({"X-Hub-Signature-256": f"sha256={signature}", "X-GitHub-Delivery": "72d3162e"}, b"Hello, World!")
    verified = check(given, "github", key_of("github", "It's a Secret to Everybody"))
    assert verified == Verified(id="72d3162e", is_id_signed=False, signed=None)


def test_the_example_of_standard_webhooks_is_authentic() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    key = key_of("standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    verified = check(delivery(headers, b'{"test": 2432232314}'), "standard", key, now=1614265330)
    assert (verified.id, verified.is_id_signed) == ("msg_p5jXN8AQM9LWM0D4loKWxJek", True)


def test_what_stripe_describes_is_authentic() -> None:
    signature = hmac.new(KEY, b"%d.%s" % (NOW, BODY), hashlib.sha256).hexdigest()
    verified = check(delivery({"Stripe-Signature": f"t={NOW},v1={signature},v0=6ffb"}), "stripe")
    assert (verified.id, verified.is_id_signed) == ("", False)
    assert verified.signed == hashlib.sha256(b"%d.%s" % (NOW, BODY)).hexdigest()


# -- what is refused ---------------------------------------------------------------------------------------------------

FORGED = [
    ("another key", lambda style: delivery(sign(BODY, style=style, key=OTHER, time=NOW, id="a"))),
    ("another body", lambda style: delivery(sign(BODY, style=style, key=KEY, time=NOW, id="a"), BODY + b" ")),
    ("half a signature", lambda style: delivery(halved(sign(BODY, style=style, key=KEY, time=NOW, id="a")))),
]


def halved(headers: dict[str, str]) -> dict[str, str]:
    return {name: value[: len(value) // 2 + 10] if "ignature" in name else value for name, value in headers.items()}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("what", "made"), FORGED)
def test_what_no_valid_key_has_signed_is_forged(style: str, what: str, made: object) -> None:
    assert refusal_of(made(style), style) is Refusal.FORGED  # type: ignore[operator]


UNSIGNED = [
    ("standard", {}),
    ("standard", {"webhook-id": "a", "webhook-timestamp": str(NOW)}),
    ("standard", {"webhook-timestamp": str(NOW), "webhook-signature": "v1,x"}),
    ("standard", {"webhook-id": "a", "webhook-signature": "v1,x"}),
    ("standard", {"webhook-id": "a", "webhook-timestamp": "soon", "webhook-signature": "v1,x"}),
    ("standard", {"webhook-id": "a", "webhook-timestamp": "٣", "webhook-signature": "v1,x"}),
    ("standard", {"webhook-id": "a", "webhook-timestamp": str(NOW), "webhook-signature": "v1a,x v2,y"}),
    ("github", {}),
    ("github", {"X-Hub-Signature-256": "abcdef"}),
    ("github", {"X-Hub-Signature": "sha1=abcdef"}),
    ("stripe", {}),
    ("stripe", {"Stripe-Signature": "v1=abc"}),
    ("stripe", {"Stripe-Signature": f"t={NOW}"}),
    ("stripe", {"Stripe-Signature": "t=-1,v1=abc"}),
    ("stripe", {"Stripe-Signature": f"t={'9' * 400},v1=abc"}),
]


@pytest.mark.parametrize(("style", "headers"), UNSIGNED)
def test_what_bears_no_readable_signature_is_unsigned(style: str, headers: dict[str, str]) -> None:
    assert refusal_of(delivery(headers), style) is Refusal.UNSIGNED


@pytest.mark.parametrize("style", ["standard", "stripe"])
@pytest.mark.parametrize(("off_by", "is_taken"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_an_authentic_delivery_is_taken_within_the_tolerance(style: str, off_by: int, is_taken: bool) -> None:
    given = delivery(sign(BODY, style=style, key=KEY, time=NOW + off_by, id="a"))
    if is_taken:
        assert check(given, style).id == "a"
    else:
        assert refusal_of(given, style) is Refusal.OLD


@pytest.mark.parametrize("style", ["standard", "stripe"])
def test_the_time_can_not_be_changed_afterwards(style: str) -> None:
    headers = sign(BODY, style=style, key=KEY, time=NOW - 9_000, id="a")
    later = {name: value.replace(str(NOW - 9_000), str(NOW)) for name, value in headers.items()}
    assert refusal_of(delivery(later), style) is Refusal.FORGED


def test_the_id_that_standard_webhooks_signs_can_not_be_changed() -> None:
    headers = sign(BODY, style="standard", key=KEY, time=NOW, id="a") | {"webhook-id": "b"}
    assert refusal_of(delivery(headers), "standard") is Refusal.FORGED


@pytest.mark.parametrize("style", STYLES)
def test_without_a_secret_nothing_is_taken(style: str) -> None:
    given = delivery(sign(BODY, style=style, key=b"", time=NOW, id="a"))
    with pytest.raises(SignatureError, match="keyless"):
        verify(given, style=style, keys=(), now=NOW, tolerance_seconds=300)


# -- what is taken -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_while_keys_are_changed_both_are_right(style: str) -> None:
    for key in (KEY, OTHER):
        assert check(delivery(sign(BODY, style=style, key=key, time=NOW, id="a")), style, KEY, OTHER).id == "a"


def test_of_several_signatures_one_that_fits_is_enough() -> None:
    one, other = (sign(BODY, style="standard", key=key, time=NOW, id="a") for key in (OTHER, KEY))
    both = {**one, "webhook-signature": f"v2,x {one['webhook-signature']} {other['webhook-signature']}"}
    assert check(delivery(both), "standard").id == "a"


def test_other_headers_may_bear_signature_and_id() -> None:
    headers = sign(BODY, style="github", key=KEY, time=NOW)
    given = delivery({"X-Shop-Signature": headers["X-Hub-Signature-256"], "X-Shop-Id": "7", "Idempotency-Key": "8"})
    assert check(given, "github", signature_header="X-Shop-Signature", id_header="X-Shop-Id").id == "7"
    assert refusal_of(given, "github") is Refusal.UNSIGNED


@pytest.mark.parametrize("name", ["X-GitHub-Delivery", "Idempotency-Key", "webhook-id"])
def test_an_id_is_found_in_the_usual_headers(name: str) -> None:
    headers = sign(BODY, style="stripe", key=KEY, time=NOW) | {name: "7"}
    assert check(delivery(headers), "stripe").id == "7"


@pytest.mark.parametrize(
    ("style", "secret"),
    [
        ("standard", "whsec_%%%"),
        ("standard", "whsec_c2hvcnQ="),
        ("standard", "plain text"),
        ("github", "short"),
        ("stripe", ""),
    ],
)
def test_a_secret_that_is_no_key_of_its_style_is_refused(style: str, secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        key_of(style, secret)


def test_a_secret_of_standard_webhooks_is_one_with_and_without_its_prefix() -> None:
    text = base64.b64encode(KEY).decode()
    assert key_of("standard", f"whsec_{text}") == key_of("standard", text) == KEY


TEXTS = st.text(st.characters(max_codepoint=255), max_size=40)


@given(style=st.sampled_from(STYLES), one=TEXTS, two=TEXTS, three=TEXTS, body=st.binary(max_size=40))
def test_whatever_comes_is_refused_and_breaks_nothing(style: str, one: str, two: str, three: str, body: bytes) -> None:
    headers = {
        "webhook-id": one, "webhook-timestamp": two, "webhook-signature": f"v1,{three}",
        "x-hub-signature-256": f"sha256={one}", "stripe-signature": f"t={two},v1={three}",
    }  # fmt: skip
    assert refusal_of(Delivery(headers=headers, body=body), style) in {Refusal.UNSIGNED, Refusal.FORGED}


@given(style=st.sampled_from(STYLES), body=st.binary(max_size=200), number=st.integers(1, 10**9))
def test_what_is_signed_is_taken(style: str, body: bytes, number: int) -> None:
    headers = sign(body, style=style, key=KEY, time=NOW, id=f"id-{number}")
    assert check(delivery(headers, body), style).id == f"id-{number}"
