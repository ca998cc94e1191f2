"""Keys: where they come from, and that they are nowhere else."""

import base64
import json
import logging
import os
import traceback
from io import StringIO
from urllib.parse import quote, quote_plus

import pytest
from news_server import (
    KEYS,
    NOW,
    SECRETS,
    START,
    TOKEN,
    TestClock,
    answers,
    clock_of,
    gather,
    redirects,
    sends,
    serving,
    sources_at,
)

from mlstrat.errors import ConfigError, MlstratError
from mlstrat.sentiment.sources import socketry
from mlstrat.sentiment.sources.keys import VARIABLES, Keys, load_keys
from mlstrat.sentiment.sources.pace import Limits
from mlstrat.sentiment.sources.redaction import Redactor
from mlstrat.sentiment.sources.registry import SOURCES, sources_from
from mlstrat.sentiment.sources.web import Access, Web
from mlstrat.sentiment.sources.wire import Auth


def written(folder, text, mode=0o600):
    file = folder / "keys.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_keys_come_from_the_environment_and_from_a_file(tmp_path):
    file = written(tmp_path, 'newsapi_key = "from-the-file"\nx_bearer = "from-the-file"\n')
    keys = load_keys({"MLSTRAT_NEWSAPI_KEY": " from-the-environment\n"}, file)
    assert keys.newsapi_key.get_secret_value() == "from-the-environment"
    assert keys.x_bearer.get_secret_value() == "from-the-file"
    assert keys.cryptopanic_key is None
    assert load_keys({"MLSTRAT_KEYS": str(file)}).x_bearer == keys.x_bearer


def test_the_file_in_the_home_folder_is_found_and_need_not_be_there(tmp_path):
    assert load_keys({}, home=tmp_path) == Keys()
    (tmp_path / ".config" / "mlstrat").mkdir(parents=True)
    written(tmp_path / ".config" / "mlstrat", 'cryptopanic_key = "abcdefgh"')
    assert load_keys({}, home=tmp_path).cryptopanic_key.get_secret_value() == "abcdefgh"


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has permissions of groups and others")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o602, 0o601, 0o777])
def test_a_file_that_others_can_open_is_refused(tmp_path, mode):
    file = written(tmp_path, 'newsapi_key = "CANARY-1234"', mode)
    with pytest.raises(ConfigError, match=r"can be read by others: run `chmod 600 .*keys.toml`\.") as refused:
        load_keys({}, file)
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('newsapi = "CANARY-1234"', "holds newsapi: use newsapi_key, cryptopanic_key, x_bearer"),
        ("newsapi_key = CANARY-1234", "is no TOML: write lines such as newsapi_key"),
        ('newsapi_key = "CANARY', "is no TOML"),
        ("\x00", "is no TOML"),
        ('newsapi_key = "CANARY"', "MLSTRAT_NEWSAPI_KEY or newsapi_key of .* is no key: copy it whole"),
        ('newsapi_key = "CANARY 1234"', "is no key: copy it whole, without quotes and blanks"),
        ('newsapi_key = "CANARY\\n1234"', "is no key"),
        ('newsapi_key = "CANARY-é1234"', "is no key"),
        ("newsapi_key = 12345678", "is no text: put it in quotes"),
        ('reddit_user_agent = "é CANARY"', "has characters that no HTTP header carries: write it in ASCII"),
    ],
)
def test_what_is_no_key_is_told_without_it(tmp_path, text, sentence):
    with pytest.raises(ConfigError, match=sentence) as refused:
        load_keys({}, written(tmp_path, text))
    assert "CANARY" not in "".join(traceback.format_exception(refused.value))


def test_a_file_that_is_named_has_to_be_there(tmp_path):
    for environ, path in (({}, tmp_path / "none"), ({"MLSTRAT_KEYS": str(tmp_path / "none")}, None)):
        with pytest.raises(ConfigError, match=r"none cannot be read .*: give the path of a file with lines"):
            load_keys(environ, path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_keys({}, tmp_path)


def test_printed_keys_are_stars():
    assert not any(
        secret in f"{KEYS} {KEYS!r} {vars(KEYS)} {KEYS.model_dump()}" for secret in SECRETS.values()
    )
    assert "CANARY" not in repr(Auth(KEYS.newsapi_key))
    assert set(VARIABLES) == set(Keys.model_fields)


FORMS = (
    str,
    lambda secret: quote(secret, safe=""),
    quote_plus,
    lambda secret: quote(secret, safe="").lower(),
    lambda secret: secret.replace("/", r"\/"),
)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_key_is_taken_out(form):
    for secret in SECRETS.values():
        told = form(secret)
        redactor = Redactor([secret])
        assert redactor.text(f"a {told} b {told}") == "a *** b ***"
        assert redactor.data(f"a {told} b".encode()) == b"a *** b"
    assert Redactor().text("a b") == "a b"
    assert Redactor([""]).data(b"a b") == b"a b"


def test_a_token_that_is_given_again_stays_in_the_answer():
    redactor = Redactor(["a-secret-1234"])
    redactor.learn("a-token-5678")
    assert redactor.text("a-token-5678 a-secret-1234") == "*** ***"
    assert redactor.data(b"a-token-5678 a-secret-1234") == b"a-token-5678 ***"


def received(handler):
    """The keys of a request."""
    told = f"{handler.path} {handler.headers}"
    pair = told.partition("Basic ")[2].split()
    known = [*SECRETS.values(), TOKEN]
    return [secret for secret in known if any(form(secret) in told for form in FORMS)] + (
        base64.b64decode(pair[0]).decode().split(":") + pair[:1] if pair else []
    )


def echoes(build):
    """A fault that says the keys of each request back."""

    def fault(handler):
        keys = received(handler)
        return build(" ".join(keys), "&".join(f"auth_token={quote(key, safe='')}" for key in keys))(handler)

    return fault


def complaining(status):
    def build(keys, _):
        told = {"status": "error", "message": f"key {keys} is wrong", "title": keys}
        return sends(json.dumps(told).encode(), status=status)

    return echoes(build)


ECHOES = {
    "none": None,
    "401": complaining(401),
    "500": complaining(500),
    "200": complaining(200),
    "HTML": echoes(lambda keys, _: sends(keys.encode(), "text/html")),
    "redirect elsewhere": echoes(lambda _, query: redirects(f"https://example.org/?{query}")),
    "redirect": echoes(lambda _, query: redirects(f"/elsewhere?{query}")),
    "no address": echoes(lambda keys, _: redirects(f"http://[{keys}")),
    "headers": echoes(lambda keys, _: sends(b"{}", X_Echo=keys, ETag=f'"{keys}"', Set_Cookie=f"key={keys}")),
    "429": echoes(lambda keys, _: answers(429, Retry_After=keys)),
}


def test_keys_are_in_no_log_error_traceback_text_or_cache(tmp_path):
    logged = StringIO()
    handler = logging.StreamHandler(logged)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    told: list[str] = []
    sent: list[str] = []
    try:
        with serving(TestClock()) as server:
            server.titles = lambda hour: f"Bitcoin {hour} {server.keys}"
            for fault in ECHOES.values():
                server.fault = lambda handler, fault=fault: (
                    remember(server, handler) or (fault is not None and fault(handler))
                )
                server.clock.sleep(4000)
                sources = sources_at(server, Limits(deadline=100, attempts=2, pages=9), cache=tmp_path)
                found = gather(sources, "BTCUSDT", START, NOW)
                told += [repr(found), repr(sources), str(found.failures)]
                for source in sources:
                    try:
                        source.fetch("BTCUSDT", START, NOW)
                    except MlstratError as error:
                        told += traceback.format_exception(error)
                        told += [repr(link) for link in chain(error)]
            sent = [f"{path} {headers}" for _, path, headers in server.asked]
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    cached = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    places = {
        "logs": logged.getvalue(),
        "errors and texts": "\n".join(told),
        "cache": cached.decode("latin-1"),
    }
    assert len(places["logs"]) > 100_000
    assert "Bitcoin 7" in places["cache"]
    pair = f"{SECRETS['reddit_client_id']}:{SECRETS['reddit_client_secret']}"
    secrets = [*SECRETS.values(), TOKEN, base64.b64encode(pair.encode()).decode()]
    for secret in secrets:
        # They were sent, or there is nothing to find.
        assert any(form(secret) in line for line in sent for form in FORMS[:2]) or secret in pair
    counts = {
        place: sum(text.count(form(secret)) for secret in secrets for form in FORMS)
        for place, text in places.items()
    }
    print(f"canary keys: {counts} in { ({place: len(text) for place, text in places.items()}) } characters")  # noqa: T201
    assert counts == {"logs": 0, "errors and texts": 0, "cache": 0}


def remember(server, handler):
    server.keys = " ".join(received(handler))


def chain(error):
    """The error and all that it was raised from or while handling."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_an_error_of_the_network_takes_no_request_along(tmp_path):
    with serving(TestClock()) as server:
        pass
    for source in sources_at(server, Limits(attempts=1)):
        with pytest.raises(MlstratError) as raised:
            source.fetch("BTC", START, NOW)
        for link in chain(raised.value):
            assert not hasattr(link, "request_kwargs")
            assert "CANARY" not in f"{link!r} {vars(link)}"


def test_a_proxy_hears_the_name_of_the_host_and_no_key(monkeypatch):
    with serving(TestClock()) as server:
        monkeypatch.setenv("https_proxy", server.url.replace("http://", "http://user:word@"))
        sources, _ = sources_from(KEYS, ["newsapi"], clock=clock_of(server.clock), limits=Limits(attempts=1))
        found = gather(sources, "BTC", START, NOW)
        assert "newsapi cannot be reached (the proxy refuses: 501" in found.failures["newsapi"]
        assert server.connected == [("newsapi.org:443", "Basic dXNlcjp3b3Jk")]
        # This machine is asked without it.
        assert len(gather(sources_at(server, Limits(), ("fear_greed",)), "BTC", START, NOW).items) == 6
        monkeypatch.setenv("no_proxy", "newsapi.org")
        assert socketry._proxy_of("https://newsapi.org") == ""


def test_a_terminal_that_did_not_ask_hears_nothing(capfd):
    with serving(TestClock()) as server:
        server.fault = answers(500)
        gather(sources_at(server, Limits(attempts=3)), "BTC", START, NOW)
    assert capfd.readouterr() == ("", "")


def test_the_libraries_log_as_before_after_a_fetch():
    names = ("httpx2", "httpcore2.http11", "praw", "stamina")
    before = [(list(logging.getLogger(n).filters), list(logging.getLogger(n).handlers)) for n in names]
    with serving(TestClock()) as server:
        gather(sources_at(server, Limits()), "BTC", START, NOW)
    assert before == [(logging.getLogger(n).filters, logging.getLogger(n).handlers) for n in names]


def test_a_key_is_not_sent_to_an_address_that_only_begins_like_the_source():
    with serving(TestClock()) as server:
        web = Web("test", (server.url,), Access(None, clock_of(server.clock)), 1.0, Auth(KEYS.x_bearer, "K"))
        other = server.url.replace("127", "128")
        for address in (f"{server.url}@example.org/", f"{server.url}0/", other, "http://127.0.0.1/"):
            with web.visit() as visit, pytest.raises(MlstratError, match="leads to another host"):
                visit.json(address, {})
        assert server.asked == []
    assert set(SOURCES) == {"rss", "fear_greed", "newsapi", "cryptopanic", "x", "reddit"}
