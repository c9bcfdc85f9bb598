# SPDX-License-Identifier: Apache-2.0
"""Mutants of C++ sources: every small change of a kind, at every place where clang's AST says that it makes sense.

clang prints its AST as JSON; this reads it, and yields changes of text.  A template is there as it is written and as it is
instantiated, with the same locations: what is written says where, what is instantiated knows the types, and a change
that is found twice is one.  What comes out of a macro (the assertions) is left alone, and so is what the compiler alone
evaluates to accept or refuse the text: static_assert, concepts, requires-expressions.

    operators   what is changed
    ---------   ---------------
    compare     < <= > >= by one off and negated; == and != negated
    arithmetic  + - * / % & | ^ << >> and their assignments exchanged; an operand left out; the operands of - exchanged
    logical     && and || exchanged; either side left out
    unary       ! - ~ left out
    step        ++ and -- exchanged; before and after exchanged; left out where the value is used
    constant    integers: 0, 1, one more, one less; true and false; floating: 0 and 1
    condition   of if, ?:, while, do, for: always true, always false
    delete      an expression statement, break, continue, return without a value, a loop
    order       two adjacent statements exchanged, of which at most one is a declaration, and one does what the other sees
    argument    two arguments of one type exchanged, or one given in the place of its neighbour
    side        Side::left and Side::right
    minmax      min and max
    enum        another constant of the enumeration
    member      begin and end, previous and next, busy and lazy
    return      nullopt, nullptr, an error, true, false, 0, one more
"""

import collections
import functools
import glob
import hashlib
import itertools
import json
import os
import pathlib
import re
import tempfile

from effects import Knowledge, nodes_of, type_of
from processes import Broken, execute

OPERATORS = tuple(line.split()[0] for line in __doc__.splitlines() if re.match(r"    (?!operators|-)[a-z]+  ", line))

# What takes the place of an operator, by kind.
EXCHANGES = {
    "compare": {"<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",)},
    "logical": {"&&": ("||",), "||": ("&&",)},
    "arithmetic": {
        "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("/",),
        "&": ("|", "^"), "|": ("&", "^"), "^": ("&", "|"), "<<": (">>",), ">>": ("<<",),
    },
}  # fmt: skip
ASSIGNMENTS = {f"{one}=": [f"{other}=" for other in (*others, "")] for one, others in EXCHANGES["arithmetic"].items()}
TWINS = {"begin": "end", "previous": "next", "busy_": "lazy_", "busy_bytes_": "lazy_bytes_"}
TWINS |= {other: one for one, other in TWINS.items()}
# Of statements that hold others: where among what is inside the condition is, and where the statement.
LOOPS_AND_CASES = {"WhileStmt": (-2, -1), "DoStmt": (-1, 0), "ForStmt": (-3, -1), "CXXForRangeStmt": (None, -1),
                   "ConditionalOperator": (0, None), "CaseStmt": (None, -1)}  # fmt: skip
# What is returned instead, by what the function returns; {} is what it returned.
RETURNS = {
    r"bool": ("true", "false"),
    r".*\*": ("nullptr",),
    r"(std::)?optional\b.*": ("std::nullopt",),
    r"(vmap::)?Result\b.*": ("std::unexpected(Error::no_space)", "std::unexpected(Error::invalid_argument)"),
    r"(vmap::)?(Size|Address)|std::size_t|std::uint64_t|int": ("0", "({}) + 1"),
}

FUNCTIONS = {"FunctionDecl", "CXXMethodDecl", "CXXConstructorDecl", "CXXDestructorDecl", "CXXConversionDecl"}
# Evaluated to accept or refuse the text, or no code at all.
NOT_CODE = {"StaticAssertDecl", "ConceptDecl", "RequiresExpr", "ConceptSpecializationExpr", "EnumDecl",
            "TypeAliasDecl", "TypeAliasTemplateDecl", "FriendDecl"}  # fmt: skip
# How many constants an enumeration has: the layout of what the subject and its checker exchange.
LAYOUT = re.compile(r"_count$")

Mutant = collections.namedtuple("Mutant", "id operator file function line original mutated occurrence changes body")
# Of the outermost function around a change: what lies between its braces, and with them; whether it may be evaluated by
# the compiler, and whether it ends without a return.
Body = collections.namedtuple("Body", "begin end is_constexpr falls_off")
# {path: text}, the mutants in the order of the text, and {path: its Bodies}.
Sources = collections.namedtuple("Sources", "texts mutants bodies")


class DoesNotCompile(Broken):
    """What is compiled with mutants in it, and it is not their fault."""


# ---------------------------------------------------------------------------------------------------- clang's AST


def dump_ast(compiler, flags, source, name):
    """The AST of all declarations whose name contains `name`, as a list of trees."""
    command = [compiler, *flags, "-fsyntax-only", "-Xclang", "-ast-dump=json", "-Xclang", "-ast-dump-filter=" + name, source]
    run = execute(command)
    if run.returncode != 0:
        raise Broken(f"{source} does not compile:\n{run.stderr}")
    decoder, trees, at = json.JSONDecoder(), [], 0
    while match := re.compile(r"\s*(?=\{)").match(run.stdout, at):
        tree, at = decoder.raw_decode(run.stdout, match.end())
        trees.append(tree)
    return trees


class Place:
    """Says of each node in which file it is, which clang prints only where that changes from one location to the next."""

    def __init__(self):
        self.file = None

    def settle(self, node):
        """Adds "span" to every node that is spelled in a file: (file, begin, end).  In the order of the text."""
        begin = end = None
        for key, value in node.items():
            if key == "loc":
                self.location(value)
            elif key == "range":
                begin, end = self.location(value.get("begin", {})), self.location(value.get("end", {}))
            else:
                for item in value if isinstance(value, list) else [value]:
                    if isinstance(item, dict):
                        self.settle(item)
        if begin and end and begin[0] == end[0] and begin[1] < end[2]:
            node["span"] = (begin[0], begin[1], end[2])

    def location(self, where):
        if "offset" in where:
            self.file = where.get("file", self.file)
            return (self.file, where["offset"], where["offset"] + where["tokLen"])
        for part in ("spellingLoc", "expansionLoc"):  # of a macro: noted, not returned
            if part in where:
                self.location(where[part])
        return None


# ---------------------------------------------------------------------------------------------------- the walk


class Finder:
    """Collects the changes in `texts`: {file: text}."""

    def __init__(self, texts, trees):
        self.texts = texts
        self.knowledge = Knowledge(trees)
        self.exchanges = collections.defaultdict(set)  # of two statements, by the change: what is known of them
        self.constants = {}  # id of an enumeration's constant: the name of the enumeration, those of its constants
        self.found = {}  # (file, changes): (operator, function, Body), in the order found
        self.bodies = collections.defaultdict(set)  # of each file
        # Of what is walked through: the outermost function's Body, the name of the function, and what it returns.
        self.body, self.function, self.returns = None, "", ""
        for node in (node for tree in trees for node in nodes_of(tree)):
            if node.get("kind") == "EnumDecl" and node.get("name"):
                constants = [c for c in node.get("inner", []) if c.get("kind") == "EnumConstantDecl"]
                names = [c["name"] for c in constants]
                self.constants.update((c["id"], (node["name"], names)) for c in constants)

    # -- what is noted

    def text(self, node):
        file, begin, end = node["span"]
        return self.texts[file][begin:end]

    def note(self, operator, node, *changes):
        """`changes`: (begin, end, text), which do not overlap."""
        file = node["span"][0]
        if all(self.texts[file][begin:end] == text for begin, end, text in changes):
            return
        body = self.body
        if body and not all(body.begin < begin and end < body.end for begin, end, _ in changes):
            body = None
        self.found.setdefault((file, tuple(sorted(changes))), (operator, self.function, body))

    def replace(self, operator, node, *texts):
        """The whole node, by each of the texts."""
        for text in texts:
            self.note(operator, node, (*node["span"][1:], text))

    def replace_end(self, operator, node, length, text):
        end = node["span"][2]
        self.note(operator, node, (end - length, end, text))

    # -- the walk

    def walk(self, node):
        kind, name = node.get("kind", ""), node.get("name", "")
        if kind in NOT_CODE or node.get("isImplicit") and kind not in ("CXXRecordDecl", "CXXMethodDecl"):
            return
        if kind == "VarDecl" and LAYOUT.search(name) or kind in FUNCTIONS and node.get("explicitlyDefaulted"):
            return
        outer = self.body, self.function, self.returns
        if kind in FUNCTIONS:
            self.returns = returned_type(node)
            if not name.startswith("operator()"):
                self.function = re.sub(r"<.*>", "", name) or self.function
        elif kind in ("CXXRecordDecl", "ClassTemplateSpecializationDecl", "ClassTemplatePartialSpecializationDecl"):
            if not node.get("definitionData", {}).get("isLambda"):
                self.function = name
        elif not self.function and kind == "VarDecl":
            self.function = name
        if self.is_in_sources(node):
            if kind in FUNCTIONS and self.body is None:
                self.body = body_of(node, self.returns)
                self.bodies[node["span"][0]].add(self.body)
            if kind in LOOPS_AND_CASES:
                condition, statement = LOOPS_AND_CASES[kind]
                if condition is not None and not node.get("hasVar"):
                    self.force(node["inner"][condition])
                if statement is not None:
                    self.statement(node["inner"][statement])
            getattr(self, "at_" + kind, lambda node: None)(node)
        for child in node.get("inner", []):
            # A lambda's body is there twice; in its operator() it is known what it returns.
            if kind != "LambdaExpr" or child.get("kind") != "CompoundStmt":
                self.walk(child)
        self.body, self.function, self.returns = outer

    def is_in_sources(self, node):
        return "span" in node and node["span"][0] in self.texts

    def between(self, left, right):
        """The operator between two operands: (begin, end, text); nothing where there is more than an operator."""
        file, _, begin = left["span"]
        end = right["span"][1]
        match = re.fullmatch(r"\s*([-+*/%&|^<>=!]+)\s*", self.texts[file][begin:end]) if begin < end else None
        return match and (begin + match.start(1), begin + match.end(1), match[1])

    # -- operators

    def at_BinaryOperator(self, node, skipped=0):
        operands = [c for c in node["inner"][skipped:] if "span" in c]
        if len(operands) != 2 or not (found := self.between(*operands)):
            return
        begin, end, operator = found
        left, right = map(self.text, operands)
        for other in ASSIGNMENTS.get(operator, ()):
            self.note("arithmetic", node, (begin, end, other))
        for kind, table in EXCHANGES.items():
            if operator not in table or kind == "arithmetic" and "string" in type_of(node):
                continue
            for other in table[operator]:
                self.note(kind, node, (begin, end, other))
            if kind != "compare":
                self.replace(kind, node, left, right)
            if operator == "-":
                self.replace(kind, node, f"{right} - {left}")

    at_CompoundAssignOperator = at_BinaryOperator

    def at_CXXOperatorCallExpr(self, node):
        self.at_BinaryOperator(node, skipped=1)

    def at_UnaryOperator(self, node):
        operand = node["inner"][0]
        if "span" not in operand:
            return
        opcode, text = node.get("opcode"), self.text(operand)
        if opcode in ("!", "-", "~"):
            self.replace("unary", node, text)
        elif opcode in ("++", "--"):
            other = "--" if opcode == "++" else "++"
            after = node.get("isPostfix", False)
            self.replace("step", node, text + other if after else other + text)
            if not node.get("unused"):
                self.replace("step", node, opcode + text if after else text + opcode, text)

    # -- constants

    def at_IntegerLiteral(self, node):
        if not re.fullmatch(r"[0-9]+", self.text(node)):
            return
        value = int(self.text(node))
        file, begin, _ = node["span"]
        divides = re.search(r"[/%]\s*$", self.texts[file][:begin]) is not None  # by 0: no program at all
        others = {0, 1, value + 1, max(value - 1, 0)} - {value, 0 if divides else value}
        self.replace("constant", node, *map(str, sorted(others)))

    def at_CXXBoolLiteralExpr(self, node):
        self.replace("constant", node, "false" if node["value"] else "true")

    def at_FloatingLiteral(self, node):
        self.replace("constant", node, "0.0", "1.0")

    def at_DeclRefExpr(self, node):
        declared, text = node.get("referencedDecl", {}), self.text(node)
        name = declared.get("name") or node.get("name", "")
        if declared.get("id") in self.constants:
            enumeration, names = self.constants[declared["id"]]
            other = names[(names.index(name) + 1) % len(names)]
            if text.endswith(name):
                self.replace_end("side" if enumeration == "Side" else "enum", node, len(name), other)
        elif name in ("min", "max"):
            self.at_UnresolvedLookupExpr(node)
        elif name in TWINS and text == name:
            self.replace("member", node, TWINS[name])

    def at_UnresolvedLookupExpr(self, node):
        if match := re.search(r"\b(min|max)$", self.text(node)):
            self.replace_end("minmax", node, 3, "max" if match[1] == "min" else "min")

    def at_MemberExpr(self, node):
        name = node.get("name", "").removeprefix("->").removeprefix(".") or node.get("member", "")
        if name in TWINS and re.search(rf"\b{name}$", self.text(node)):
            self.replace_end("member", node, len(name), TWINS[name])

    at_CXXDependentScopeMemberExpr = at_MemberExpr

    # -- conditions and statements

    def at_IfStmt(self, node):
        branches = 2 if node.get("hasElse") else 1
        if node.get("hasVar"):
            variable = node["inner"][1 if node.get("hasInit") else 0]
            end = variable["span"][2] - self.text(variable).endswith(";")
            for value in ("true", "false"):
                self.note("condition", node, (end, end, "; " + value))
        else:
            self.force(node["inner"][-branches - 1])
        for branch in node["inner"][-branches:]:
            self.statement(branch)

    def at_ForStmt(self, node):
        step = node["inner"][-2]
        if "span" in step:
            unused(step)
            self.replace("delete", step, "")

    def force(self, condition):
        if "span" in condition:
            self.replace("condition", condition, "true", "false")

    def statement(self, node):
        """A statement in a place where the empty one may stand."""
        kind = node.get("kind", "")
        if not self.is_in_sources(node):
            return
        is_return = kind == "ReturnStmt" and not node.get("inner")
        if is_return or kind in ("BreakStmt", "ContinueStmt") or kind.endswith(("Expr", "Operator", "ExprWithCleanups")):
            unused(node)
            self.replace("delete", node, "")
        elif kind in ("CXXForRangeStmt", "ForStmt", "WhileStmt", "DoStmt"):
            self.replace("delete", node, "{}")

    def at_CompoundStmt(self, node):
        statements = [s for s in node.get("inner", []) if "span" in s]
        for statement in statements:
            self.statement(statement)
        for first, second in zip(statements, statements[1:]):
            kinds = {first["kind"], second["kind"]}
            leaves = kinds & {"ReturnStmt", "BreakStmt", "ContinueStmt", "CaseStmt"}
            asserts = any(self.text(s).startswith(("assert", "static_assert")) for s in (first, second))
            if leaves or asserts or kinds == {"DeclStmt"}:
                continue
            one, other = self.whole(first), self.whole(second)
            if one[1] <= other[0]:
                text = self.texts[node["span"][0]]
                changes = (*one, text[slice(*other)]), (*other, text[slice(*one)])
                self.exchanges[(node["span"][0], changes)].add(self.knowledge.commute(first, second))
                self.note("order", node, *changes)

    def forget_exchanges_without_effect(self):
        for key, known in self.exchanges.items():
            if known <= {True, None} and True in known:
                self.found.pop(key, None)

    def whole(self, statement):
        """With its semicolon."""
        file, begin, end = statement["span"]
        match = re.compile(r"\s*;").match(self.texts[file], end)
        return begin, match.end() if match else end

    def at_ReturnStmt(self, node):
        if not node.get("inner") or "span" not in node["inner"][0]:
            return
        value = node["inner"][0]
        for pattern, others in RETURNS.items():
            if re.fullmatch(pattern, self.returns):
                self.replace("return", value, *(other.format(self.text(value)) for other in others))
                break

    # -- arguments; not of CXXStdInitializerListExpr, a list of equals: an operator of its own finds what is in it

    def at_CallExpr(self, node):
        callee = node["inner"][0]
        commutes = "span" in callee and re.search(r"\b(min|max)$", self.text(callee)) is not None
        self.arguments(node["inner"][1:], commutes)

    at_CXXMemberCallExpr = at_CallExpr

    def at_CXXConstructExpr(self, node):
        self.arguments(node.get("inner", []), False)

    def at_InitListExpr(self, node):
        file, begin, _ = node["span"]
        commutes = re.search(r"\b(min|max)\($", self.texts[file][:begin]) is not None
        self.arguments(node.get("inner", []), commutes)

    def arguments(self, arguments, commutes):
        # `.name = value` is as good as the value.
        arguments = [a["inner"][-1] if a.get("kind") == "DesignatedInitExpr" else a for a in arguments]
        spelled = [a for a in arguments if self.is_in_sources(a)]
        for i, j in itertools.combinations(range(len(spelled)), 2):
            first, second = spelled[i], spelled[j]
            one, other = first["span"], second["span"]
            if plain_type(first) != plain_type(second) or one[0] != other[0] or one[2] > other[1]:
                continue
            change_one, change_other = (*one[1:], self.text(second)), (*other[1:], self.text(first))
            if not commutes:
                self.note("argument", first, change_one, change_other)
            if j == i + 1:
                self.note("argument", first, change_one)
                self.note("argument", first, change_other)


def body_of(function, returns):
    for child in function.get("inner", []):
        if child.get("kind") == "CompoundStmt" and "span" in child:
            _, begin, end = child["span"]
            falls_off = returns == "void" or function["kind"] in ("CXXConstructorDecl", "CXXDestructorDecl")
            return Body(begin, end, function.get("constexpr", False), falls_off)
    return None


def unused(node):
    """Marks ++ and -- whose value nobody looks at."""
    while node.get("kind") in ("ExprWithCleanups", "ParenExpr") and node.get("inner"):
        node = node["inner"][0]
    if node.get("kind") == "UnaryOperator":
        node["unused"] = True
    if node.get("kind") == "BinaryOperator" and node.get("opcode") == ",":
        for part in node["inner"]:
            unused(part)


def returned_type(node):
    text = type_of(node)
    return (text.rsplit("->", 1)[1] if "->" in text else text.split("(", 1)[0]).strip()


def plain_type(node):
    text = type_of(node)
    if not text or re.search(r"dependent|\(|lambda|string|char", text):
        return object()  # like no other
    return re.sub(r"\bconst\b|&|\s", "", text)


# ---------------------------------------------------------------------------------------------------- mutants


def apply(text, changes):
    for begin, end, other in sorted(changes, reverse=True):
        text = text[:begin] + other + text[end:]
    return text


def in_one_line(text):
    """Without comments."""
    return " ".join(re.sub(r"//[^\n]*", "", text).split())


def abbreviated(text):
    """Blocks of statements as {...}: what is done with them is seen from around them."""
    parts, depth = [""], 0
    for character in text:
        if character == "{":
            depth += 1
            parts += [""] if depth == 1 else []
        parts[-1] += character
        if character == "}" and depth > 0:
            depth -= 1
            if depth == 0:
                parts[-1:] = ["{...}" if ";" in parts[-1] else parts[-1], ""]
    return "".join(parts)


def find_mutants(texts, trees):
    """All mutants, in the order of the text, and the bodies of functions. `texts` are keyed as clang names the files."""
    place = Place()
    for tree in trees:
        place.settle(tree)
    finder = Finder(texts, trees)
    for tree in trees:
        finder.walk(tree)
    finder.forget_exchanges_without_effect()
    mutants, seen = [], collections.Counter()
    order = sorted(finder.found.items(), key=lambda item: (item[0][0], item[0][1]))
    for (file, changes), (operator, function, body) in order:
        text = texts[file]
        first, last = min(c[0] for c in changes), max(c[1] for c in changes)
        begin = text.rfind("\n", 0, first) + 1
        end = text.find("\n", last)
        end = len(text) if end < 0 else end
        original = in_one_line(text[begin:end])
        mutated = in_one_line(apply(text[begin:end], [(b - begin, e - begin, t) for b, e, t in changes]))
        if len(original) > 200:
            original, mutated = abbreviated(original), abbreviated(mutated)
        # The same change may be there twice: at another place with the same lines, or within the same lines.
        identity = (os.path.basename(file), function, original, mutated)
        seen[identity] += 1
        occurrence = seen[identity]
        line = text.count("\n", 0, first) + 1
        digest = hashlib.sha256("\0".join([*identity, str(occurrence)]).encode()).hexdigest()[:10]
        mutants.append(Mutant(digest, operator, file, function, line, original, mutated, occurrence, changes, body))
    return Sources(texts, mutants, finder.bodies)


@functools.cache
def mutants_of(allocator, compiler):
    """Of the sources in that folder."""
    paths = sorted(glob.glob(os.path.join(allocator, "vmap", "*.[hc]pp")))
    texts = {path: pathlib.Path(path).read_text(encoding="utf-8") for path in paths}
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as source:
        source.writelines(f'#include "{path}"\n' for path in texts)
        source.flush()
        flags = ["-std=c++23", "-DNDEBUG", "-w", "-I", allocator]
        return find_mutants(texts, dump_ast(compiler, flags, source.name, "vmap"))
