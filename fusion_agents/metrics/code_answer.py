"""The program in a response, however it is wrapped."""

import ast
import re
import textwrap
from collections.abc import Iterator

from fusion_agents.sandbox.names import defined_names, unknown_names
from fusion_agents.sandbox.parsing import parse

_THOUGHT = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_END = r"(?:\[(?:DONE|Done)\]|(?<![\w\])])\[done\])"
_TAGS = re.compile(rf"(?<![\w\])])\[(?i:BEGIN)\][ \t]*\n?(.*?)(?:{_END}|\Z)", re.DOTALL)
_LONE_TAG = re.compile(r"^[ \t]*(?:\[/?(?:BEGIN|DONE)\]|`{3,}\w*)[ \t]*$", re.I | re.M)
_DONE = re.compile(rf"{_END}[ \t]*$", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^[ \t]*\1|\Z)", re.DOTALL | re.MULTILINE)
_INLINE_FENCE = re.compile(r"```(?:python|py)?[ \t]*(\S.*?)```", re.DOTALL)
_BEGINS_CODE = re.compile(r"\s*(?:import |from \w|def |class |async def |@)")
_LONGEST = 200_000
"""Characters, counted from the end, in which a program is looked for."""
_MOST_BLOCKS, _MOST_STARTS, _MOST_CUTS, _MOST_LINES = 12, 12, 12, 600


def program_in(response: str, prompt: str = "", name: str = "") -> str | None:
    r"""Find the whole program that a response stands for.

    Read are: fenced blocks, `[BEGIN]` and `[DONE]`, text before and after the code, a whole
    function, or only the body of the one that the prompt begins, whatever became of its first
    line's indentation. Of several blocks that define the function the last counts, with the
    earlier ones in front if it uses what they define.

    >>> print(program_in("Sure!\n```python\ndef one():\n    return 1\n```\nDone.", name="one"))
    def one():
        return 1

    Args:
        response: What the model wrote.
        prompt: Code that the model was asked to continue.
        name: The function that is asked for; any definition will do where empty.

    Returns:
        Source that parses and defines the function, or none.
    """
    text = _THOUGHT.split(response[-_LONGEST:])[-1]
    text = text.replace("\r\n", "\n").replace("\u00a0", " ")
    texts = list(_texts(text))
    for code in texts:
        if found := _whole(code, prompt, name):
            return found
    if prompt:
        for code in texts:
            if found := _continued(code, prompt, name):
                return found
    for code in texts:
        if found := _between_words(code, prompt, name):
            return found
    return None


def _texts(text: str) -> Iterator[str]:
    """What may be the code, likeliest first."""
    for inside in (*reversed(_TAGS.findall(text)[-_MOST_BLOCKS:]), text):
        blocks = [block for _, block in _FENCE.findall(inside)] or _INLINE_FENCE.findall(inside)
        blocks = blocks[-_MOST_BLOCKS:]
        for number in range(len(blocks), 0, -1):
            alone, together = blocks[number - 1], "\n".join(blocks[:number])
            yield from (
                (together, alone) if _leans(alone, blocks[: number - 1]) else (alone, together)
            )
        yield _DONE.sub("", _LONE_TAG.sub("", inside))


def _leans(block: str, earlier: list[str]) -> bool:
    """Whether a block uses what those before it define."""
    try:
        unknown = unknown_names(textwrap.dedent(block))
    except SyntaxError:
        return False
    return any(unknown & defined_names(textwrap.dedent(text)) for text in earlier)


def _whole(code: str, prompt: str, name: str) -> str | None:
    """A text that defines the function by itself, behind the helpers of the prompt."""
    for form in (code, textwrap.dedent(code), code.strip()):
        tree = _parsed(form)
        if tree is not None and _defines(tree, name):
            return _behind(prompt, form.strip("\n"))
    return None


def _behind(prompt: str, code: str) -> str:
    if not prompt or "from __future__" in code or _parsed(prompt) is None:
        return code
    return f"{prompt.rstrip()}\n\n\n{code}"


def _continued(code: str, prompt: str, name: str) -> str | None:
    """The prompt with a body behind it."""
    for body in _bodies(code):
        program = f"{prompt.rstrip()}\n{body}\n"
        tree = _parsed(program)
        if tree is not None and _has_body(tree, name):
            return program
    return None


def _bodies(code: str) -> Iterator[str]:
    lines = code.strip("\n").rstrip().split("\n")
    yield "\n".join(lines)
    rest = [line for line in lines[1:] if line.strip()]
    if rest:  # whoever stripped the text took the first line's indentation
        indent = re.match(r"\s*", min(rest, key=lambda line: len(line) - len(line.lstrip())))
        deeper = "\n".join([(indent.group() if indent else "") + lines[0].strip(), *lines[1:]])
        yield deeper
        yield textwrap.indent(textwrap.dedent(deeper), "    ")
        if lines[0].rstrip().endswith(":"):
            yield _outdented(lines)
    yield textwrap.indent(textwrap.dedent("\n".join(lines)), "    ")
    inside = [number for number, line in enumerate(lines) if line[:1] in " \t" and line.strip()]
    if inside:
        yield textwrap.indent(textwrap.dedent("\n".join(lines[inside[0] : inside[-1] + 1])), "    ")


def _outdented(lines: list[str]) -> str:
    """A stripped body whose first line opens a block, so that the second is deeper."""
    return "\n".join([f"    {lines[0].strip()}", *lines[1:]])


def _between_words(code: str, prompt: str, name: str) -> str | None:
    """The longest run of lines that parses, from a line that looks like code."""
    lines = code.split("\n")[:_MOST_LINES]
    starts = [number for number, line in enumerate(lines) if _BEGINS_CODE.match(line)]
    for start in starts[:_MOST_STARTS]:
        run = lines[start:]
        for _ in range(_MOST_CUTS):
            form = textwrap.dedent("\n".join(run))
            tree = _parsed(form)
            if tree is not None:
                if _defines(tree, name):
                    return _behind(prompt, form)
                break
            run = run[: _broken_at(form, len(run))]
    return None


def _broken_at(code: str, lines: int) -> int:
    """How many lines to keep of a text that does not parse: those before the fault."""
    try:
        parse(code)
    except SyntaxError as error:
        return max(0, min(lines, error.lineno or 0) - 1)
    return 0


def _parsed(code: str) -> ast.Module | None:
    try:
        tree = parse(code)
    except SyntaxError:
        return None
    return None if any(map(_returns, tree.body)) else tree


def _returns(statement: ast.AST) -> bool:
    """Whether there is a `return` outside of a function, which only a compiler refuses."""
    left = [statement]
    while left:
        node = left.pop()
        if isinstance(node, ast.Return):
            return True
        inside = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
        if _has_block(node) and not isinstance(node, inside):
            left += ast.iter_child_nodes(node)
    return False


def _has_block(statement: ast.AST) -> bool:
    return hasattr(statement, "body") or hasattr(statement, "cases")


def _defines(tree: ast.Module, name: str) -> bool:
    return any(not name or name in names for names in map(_names, tree.body) if names)


def _names(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    return []


def _has_body(tree: ast.Module, name: str) -> bool:
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and (statement.name == name or not name):
            documented = ast.get_docstring(statement) is not None
            return len(statement.body) > documented
    return False
