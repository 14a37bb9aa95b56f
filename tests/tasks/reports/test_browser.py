"""The page in a real browser: nothing that a stranger wrote runs, and what a person clicks does what it says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from configs.parts import InputConfig
from tasks.records.verdicts import ReviewReason, Verdict
from tasks.reports.evidence import Photos, Report
from tasks.reports.sources import judgement_of
from tests.browser import Browser, browser
from tests.builders import make_photo_bytes
from tests.evidence import SUMMARY, publish_judgement, publish_photos, put_group

HOSTILE = [
    "<script>window.hacked=1<\\script>",
    "<img src=x onerror=window.hacked=1>",
    '" onmouseover="window.hacked=1" autofocus onfocus="window.hacked=1',
    "' style=position:fixed;inset:0;background:url(x)",
    "<svg onload=window.hacked=1>",
    "\u202e过通\u2066<b>",
    "${window.hacked=1}{{window.hacked=1}}{% raw %}",
    "</article></main></body><body onload=window.hacked=1>",
    "-->]]><iframe srcdoc='<b onload=parent.hacked=1>'>",
    "长" * 10_000,
]
SPIES = """window.alert = window.confirm = window.prompt = () => { window.hacked = 1; };
window.refused = [];
document.addEventListener('securitypolicyviolation', (event) => window.refused.push(event.violatedDirective));"""


def named(text: str) -> str:
    """As much of it as can name a folder."""
    return text.replace("/", "∕").replace("\\", "∖")[:60]


def make_page(folder: Path, texts: list[str], one_file: int = 200) -> Path:
    """The page of groups that are called so, and whose photos are summarised so."""
    store, root = LocalStore(folder / "store"), folder / "photos"
    names = [f"{number:02d} {named(text)}" for number, text in enumerate(texts)]
    groups = [put_group(root, name, 2, seed=number) for number, name in enumerate(names)]
    by_name = dict(zip(names, texts, strict=True))
    run = publish_photos(store, groups, summary=lambda group, number: by_name[group] or SUMMARY.format(number=number))
    told = [Verdict.PASS, Verdict.FAIL, ReviewReason.TIE, ReviewReason.LOW_AGREEMENT]
    judgement = publish_judgement(store, run, lambda number, group: told[number % 4])
    photos = Photos(LocalStore(root), InputConfig())
    return Report(judgement_of(store, judgement.key, None), photos, "zh").write(folder / "page", one_file).page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser that tells what was refused, and of whatever runs."""
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        opened._ask("Page.enable")
        opened._ask("Page.addScriptToEvaluateOnNewDocument", source=SPIES)
        yield opened


def open_page(page: Browser, path: Path, width: int = 1280) -> None:
    """Open it as on a screen of this width; the language is what the page says."""
    page._ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    page.visit(path.as_uri())


def click(page: Browser, what: str) -> None:
    """Click the first of these."""
    page.evaluate(f"document.querySelector('{what}').click()")


def fill(page: Browser, field: str, value: str) -> None:
    """Type or choose something."""
    page.evaluate(f"document.querySelector('{field}').value = '{value}'")
    page.evaluate(f"document.querySelector('{field}').dispatchEvent(new Event('input'))")


def test_nothing_that_strangers_wrote_runs_or_becomes_markup(page: Browser, tmp_path: Path) -> None:
    # Which tickets are drawn for an audit hangs on what the photos say.
    shape = "[...document.body.querySelectorAll(':not(.audit, .audit *)')].map((one) => one.tagName).join()"
    open_page(page, make_page(tmp_path / "tame", [f"BBU设备×{n + 1}" for n in range(len(HOSTILE))]))
    tame = page.evaluate(shape)
    open_page(page, make_page(tmp_path / "wild", HOSTILE))
    assert page.evaluate(shape) == tame
    for language in ("en", "zh"):
        click(page, f"[data-speak={language}]")
    for wanted in ("<img", ""):
        fill(page, "#by-id", wanted)
    each = "one.focus(); one.click(); document.querySelector('dialog').close();"
    page.evaluate(f"document.querySelectorAll('figure button').forEach((one) => {{ {each} }})")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("window.refused") == []
    assert page.evaluate("document.scripts.length") == 1
    loaded = (
        "performance.getEntriesByType('resource').map((one) => one.name.slice(0, 5)).filter((one) => one !== 'data:')"
    )
    assert page.evaluate(loaded) == []
    text = page.evaluate("document.querySelector('main').textContent")
    assert all(named(told)[:20] in text for told in HOSTILE if told.isprintable())
    assert "\u202e" not in page.evaluate("document.documentElement.outerHTML")
    # Ten thousand signs push nothing off the screen, on a phone neither.
    for width, language in ((1280, "zh"), (390, "zh"), (390, "en")):
        open_page(page, tmp_path / "wild" / "page.html", width)
        click(page, f"[data-speak={language}]")
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, language)
    click(page, "[data-speak=zh]")


def test_were_markup_to_slip_through_it_would_not_run(page: Browser, tmp_path: Path) -> None:
    path = make_page(tmp_path, [""])
    slipped = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1><b style='color:red'>x</b>"
    text = path.read_text(encoding="utf-8").replace("</main>", f"{slipped}</main>")
    path.write_text(text, encoding="utf-8")
    open_page(page, path)
    assert page.until("window.refused.length >= 3")
    assert page.evaluate("window.hacked") is None
    tried = "try { document.body.innerHTML = '<b>x'; 'set' } catch (error) { error.name }"
    assert page.evaluate(tried) == "TypeError"


def test_a_person_sifts_switches_and_looks_closer(page: Browser, tmp_path: Path) -> None:
    open_page(page, make_page(tmp_path, [""] * 8))
    shown = (
        "[...document.querySelectorAll('.group')].filter((one) => !one.hidden).map((one) => one.dataset.kind).join()"
    )
    assert page.evaluate(shown) == "review,review,review,review,fail,fail,pass,pass"
    fill(page, "#by-kind", "fail")
    assert page.evaluate(shown) == "fail,fail"
    fill(page, "#by-kind", "")
    fill(page, "#by-reason", "tie")
    assert page.evaluate(shown) == "review,review"
    fill(page, "#by-id", "02")
    assert page.evaluate(shown) == "review"
    assert page.evaluate("document.querySelector('#left').textContent") == "1 / 8"
    assert "复核原因" in page.evaluate("document.body.innerText")
    click(page, "[data-speak=en]")
    words = page.evaluate("document.body.innerText")
    assert "Why people must look" in words
    assert "复核原因" not in words
    assert page.evaluate("document.querySelector('#by-kind').selectedOptions[0].textContent") == "every decision"
    click(page, "[data-speak=zh]")
    click(page, ".group:not([hidden]) figure button")
    assert page.until(
        "document.querySelector('dialog').open && document.querySelector('dialog img').naturalWidth === 64"
    )
    page.evaluate("document.querySelector('dialog').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}))")
    assert "[image_2]" in page.evaluate("document.querySelector('dialog p').textContent")


def test_one_group_is_printed_alone_and_all_begin_on_sheets_of_their_own(page: Browser, tmp_path: Path) -> None:
    open_page(page, make_page(tmp_path, [""] * 3))
    page.evaluate("window.print = () => { window.printed = document.querySelectorAll('.only').length; }")
    page.evaluate("document.querySelectorAll('button.print')[1].click()")
    assert page.evaluate("window.printed") == 1
    how = "getComputedStyle(one).display + getComputedStyle(one).breakBefore"
    seen = f"[...document.querySelectorAll('.group')].map((one) => {how}).join()"
    page._ask("Emulation.setEmulatedMedia", media="print")
    assert page.evaluate(seen) == "noneauto,blockauto,noneauto"
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") <= 1  # settings of the judge
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(seen) == "blockpage,blockpage,blockpage"
    page._ask("Emulation.setEmulatedMedia", media="")


def test_a_folder_opens_its_groups_and_their_pictures(page: Browser, tmp_path: Path) -> None:
    index = make_page(tmp_path, [""] * 3, one_file=1)
    open_page(page, index)
    click(page, ".rows a")
    assert page.until("location.pathname.endsWith('/pages/0001.html') && document.readyState === 'complete'")
    assert page.until(
        "[...document.querySelectorAll('.group img')].slice(0, 2).every((one) => one.naturalWidth === 64)"
    )
    click(page, "figure button")
    assert page.until("document.querySelector('dialog img').naturalWidth === 64")
    assert page.evaluate("window.refused") == []
    pictures = os.environ.get("FIELDCHECK_TEST_PICTURES")
    if pictures:
        page.picture(Path(pictures) / "folder.png")


def test_a_photo_with_a_strange_name_is_shown(page: Browser, tmp_path: Path) -> None:
    store, root = LocalStore(tmp_path / "store"), tmp_path / "photos"
    group = put_group(root, "a b%20c&d#e?f", 1, make=lambda number: make_photo_bytes(size=(70, 50)))
    judgement = publish_judgement(store, publish_photos(store, [group]), lambda number, name: Verdict.PASS)
    report = Report(judgement_of(store, judgement.key, None), Photos(LocalStore(root), InputConfig()), "zh")
    open_page(page, report.write(tmp_path / "page", 0).page)
    click(page, ".rows a")
    assert page.until("document.querySelector('.group img')?.naturalWidth === 70")
