"""A page as mail programs take it: its style sheet moves into `style` attributes.

Only what our own pages are made of is understood: rules for tags, classes and what stands in them.
Mail programs know neither variables nor drawings nor what folds up: variables become values,
drawings are left out since words stand beside them, and what was folded up is open. What differs on
a phone and on a dark screen stays in a sheet, for those programs that read one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from typing import Final

_BLOCK: Final = re.compile(r"([^{}]+)\{([^{}]*)\}")
_MEDIA: Final = re.compile(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
_VARIABLE: Final = re.compile(r"var\(--([\w-]+)\)")
_SIMPLE: Final = re.compile(r"^([a-z][a-z0-9]*)?((?:\.[\w-]+)*)$")
_DARK: Final = "(prefers-color-scheme: dark)"
_VOID: Final = frozenset({"meta", "br", "hr", "img", "input", "link", "wbr"})
_LEFT_OUT: Final = frozenset({"svg", "style", "form", "script"})
_OPENED: Final[Mapping[str, str]] = {
    "details": "div", "summary": "p", "main": "div", "article": "div", "section": "div",
    "header": "div", "footer": "div", "figure": "div", "figcaption": "p", "bdi": "span",
}  # fmt: skip
"""What mail programs do not know becomes what they do."""


@dataclass(frozen=True)
class _Part:
    tag: str | None
    classes: frozenset[str]

    def fits(self, tag: str, classes: frozenset[str]) -> bool:
        return (self.tag is None or self.tag == tag) and self.classes <= classes


@dataclass(frozen=True)
class _Rule:
    """`path` from outside to inside; each part stands anywhere within the one before."""

    path: tuple[_Part, ...]
    declarations: str

    @property
    def weight(self) -> tuple[int, int]:
        return (
            sum(len(part.classes) for part in self.path),
            sum(part.tag is not None for part in self.path),
        )


@dataclass
class _Element:
    tag: str
    classes: frozenset[str] = field(default_factory=frozenset)
    shown_as: str | None = None


def inlined(page: str, style: str) -> str:
    """The page for mail programs. `style` is the sheet that stands in its <style>."""
    light, dark = _variables(style)
    plain = _MEDIA.sub("", style)
    rules = [*_rules(plain, light)]
    writer = _Writer(rules, f"{_narrow_sheet(style, light)}\n{_dark_sheet(plain, light, dark)}")
    writer.feed(page)
    writer.close()
    return "".join(writer.written)


def _variables(style: str) -> tuple[dict[str, str], dict[str, str]]:
    """Name -> value, on light and on dark screens."""
    roots = [body for head, body in _BLOCK.findall(style) if head.strip().endswith(":root")]
    dark = next((part for part in _MEDIA.findall(style) if _DARK in part), "")
    light = dict(_declared(roots[0])) if roots else {}
    inside = _BLOCK.search(dark[dark.find("{") + 1 :])
    return light, {**light, **(dict(_declared(inside[2])) if inside else {})}


def _declared(body: str) -> Iterator[tuple[str, str]]:
    for one in body.split(";"):
        name, _, value = one.partition(":")
        if name.strip().startswith("--"):
            yield name.strip().removeprefix("--"), value.strip()


def _rules(style: str, values: Mapping[str, str]) -> Iterator[_Rule]:
    for heads, body in _BLOCK.findall(style):
        declarations = _resolved(body, values)
        if not declarations:
            continue
        for head in heads.split(","):
            path = _path(head.strip())
            if path is not None:
                yield _Rule(path, declarations)


def _resolved(body: str, values: Mapping[str, str]) -> str:
    kept = [
        " ".join(_VARIABLE.sub(lambda found: values.get(found[1], "inherit"), one).split())
        for one in body.split(";")
        if one.strip() and not one.strip().startswith("--")
    ]
    return "; ".join(kept)


def _path(head: str) -> tuple[_Part, ...] | None:
    """None for what an attribute cannot say: `:hover`, `>`, `[...]`, `*`."""
    parts = []
    for word in head.split():
        found = _SIMPLE.match(word)
        if found is None:
            return None
        parts.append(_Part(found[1], frozenset(filter(None, found[2].split(".")))))
    return tuple(parts) or None


def _dark_sheet(style: str, light: Mapping[str, str], dark: Mapping[str, str]) -> str:
    """The colours that differ, each stronger than an attribute."""
    differ = {name for name in dark if light.get(name) != dark[name]}
    lines = []
    for heads, body in _BLOCK.findall(style):
        if heads.strip() == ":root":
            continue
        kept = [
            f"{_resolved(one, dark)} !important"
            for one in body.split(";")
            if differ & set(_VARIABLE.findall(one)) or one.strip() == "color: inherit"
        ]
        selectors = [one.strip() for one in heads.split(",") if _path(one.strip())]
        if kept and selectors:
            lines.append(f"{', '.join(selectors)} {{ {'; '.join(kept)} }}")
    return f"@media screen and {_DARK} {{\n" + "\n".join(lines) + "\n}"


def _narrow_sheet(style: str, light: Mapping[str, str]) -> str:
    """What differs on a phone, each stronger than an attribute."""
    found = next((part for part in _MEDIA.findall(style) if "(max-width" in part), "")
    head, _, inside = found.partition("{")
    lines = [
        f"{heads.strip()} {{ {body.replace('; ', ' !important; ')} !important }}"
        for heads, rule in _BLOCK.findall(inside)
        if (body := _resolved(rule, light))
    ]
    return f"{head.strip()} {{\n" + "\n".join(lines) + "\n}"


class _Writer(HTMLParser):
    def __init__(self, rules: Sequence[_Rule], sheet: str) -> None:
        super().__init__(convert_charrefs=False)
        self.written: list[str] = []
        self._rules = sorted(rules, key=lambda rule: rule.weight)  # stable: later ones win
        self._sheet = sheet
        self._open: list[_Element] = []
        self._hidden = 0

    def handle_decl(self, decl: str) -> None:
        self.written.append(f"<!{decl}>")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        classes = frozenset((found.get("class") or "").split())
        left_out = tag in _LEFT_OUT or "drop" in classes
        if tag == "meta" and "http-equiv" in found:
            return
        if self._hidden or left_out:
            self._hidden += tag not in _VOID
            return
        element = _Element(tag, classes, _OPENED.get(tag, tag))
        self._open.append(element)
        style = "; ".join(filter(None, (self._style(), found.get("style"))))
        kept = {
            name: value for name, value in attrs if name not in ("style", "open", "aria-hidden")
        }
        if tag == "main":
            kept["role"] = "main"
        if style and tag not in ("html", "head", "meta", "title"):
            kept["style"] = style
        said = "".join(
            f' {name}="{escape(value or "", quote=True)}"' for name, value in kept.items()
        )
        self.written.append(f"<{element.shown_as}{said}>")
        if tag in _VOID:
            self._open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._hidden:
            self.handle_starttag(tag, attrs)
            if tag not in _VOID:
                self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if self._hidden:
            self._hidden -= 1
            return
        if tag == "head":
            self.written.append(f"<style>\n{self._sheet}\n</style>\n")
        if self._open:
            self.written.append(f"</{self._open.pop().shown_as}>")

    def handle_data(self, data: str) -> None:
        self._write(data)

    def handle_entityref(self, name: str) -> None:
        self._write(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._write(f"&#{name};")

    def _write(self, text: str) -> None:
        if not self._hidden:
            self.written.append(text)

    def _style(self) -> str:
        """What the rules say of the innermost open element."""
        return "; ".join(rule.declarations for rule in self._rules if self._applies(rule.path))

    def _applies(self, path: Sequence[_Part]) -> bool:
        *outer, last = path
        *around, element = self._open
        if not last.fits(element.tag, element.classes):
            return False
        places = iter(around)
        return all(any(part.fits(it.tag, it.classes) for it in places) for part in outer)
