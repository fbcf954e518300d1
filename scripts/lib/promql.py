"""The names in an expression of Prometheus: metrics, and the labels that it asks them for."""

import re
from typing import List, NamedTuple, Set

TOKEN = re.compile(
    r"""(?P<space>\s+|\#.*)
    |(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    |(?P<range>\[[^\]]*\])
    |(?P<number>\d[\w.]*(?:(?<=[eE])[+-]\d+)?|\.\d+)
    |(?P<name>[A-Za-z_:][\w:]*)
    |(?P<operator>=~|!~|!=|==|>=|<=|[-+*/%^=<>(){},@])""",
    re.VERBOSE,
)
OPERATORS = {"and", "or", "unless", "atan2", "bool", "offset", "inf", "nan"}
AGGREGATIONS = {
    *("sum", "min", "max", "avg", "group", "stddev", "stdvar", "count", "count_values", "bottomk", "topk"),
    "quantile",
}
# Each is followed by labels in parentheses.
GROUPINGS = {"by", "without", "on", "ignoring", "group_left", "group_right"}


class Matcher(NamedTuple):
    """A condition on a label: `status=~"5.."`."""

    label: str
    operator: str
    value: str

    def holds(self, value: str) -> bool:
        is_it = value == self.value if self.operator in ("=", "!=") else bool(re.fullmatch(self.value, value))
        return is_it is not self.operator.startswith("!")


class Selector(NamedTuple):
    """A metric with its conditions: `acklog_http_requests_total{status=~"5.."}`."""

    metric: str
    matchers: List[Matcher]


class Names(NamedTuple):
    """The selectors of an expression, and the labels that it groups or joins by."""

    selectors: List[Selector]
    labels: Set[str]


def tokens(expression: str) -> List[str]:
    """Returns the tokens; raises ValueError where there is none. Ranges are left out: they hold durations only."""
    found, at = [], 0
    while at < len(expression):
        token = TOKEN.match(expression, at)
        if not token:
            raise ValueError(f"not understood: {expression[at:]}")
        if token.lastgroup not in ("space", "range"):
            found.append(token[0])
        at = token.end()
    return found


def unquoted(text: str) -> str:
    return text[1:-1] if text.startswith("`") else re.sub(r"\\(.)", r"\1", text[1:-1])


def names(expression: str) -> Names:
    """Returns the names in an expression; raises ValueError where it is not understood."""
    rest = [*tokens(expression), ""]
    selectors: List[Selector] = []
    labels: Set[str] = set()
    while rest[0]:
        token = rest.pop(0)
        if not re.match(r"[A-Za-z_:{]", token):
            continue
        word = token.lower()
        if word in GROUPINGS:
            if rest[0] == "(":
                end = rest.index(")")
                labels.update(label for label in rest[1:end] if label != ",")
                del rest[: end + 1]
        elif word in OPERATORS or rest[0] == "(" or (word in AGGREGATIONS and rest[0].lower() in GROUPINGS):
            continue
        elif token == "{" or rest[0] == "{":
            if token != "{":
                rest.pop(0)
            end = rest.index("}")
            inside, rest = rest[:end], rest[end + 1 :]
            matchers = [Matcher(*inside[at : at + 2], unquoted(inside[at + 2])) for at in range(0, len(inside), 4)]
            named = [it.value for it in matchers if it.label == "__name__"]
            selectors.append(Selector(named[0] if token == "{" else token, matchers))
        else:
            selectors.append(Selector(token, []))
    return Names(selectors, labels)
