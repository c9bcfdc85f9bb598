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
import json
import os
import re
import tempfile

import effects
from processes import Broken, execute

OPERATORS = tuple(line.split()[0] for line in __doc__.splitlines() if re.match(r"    (?!operators|-)[a-z]+  ", line))

COMPARISONS = {"<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",)}
ARITHMETIC = {
    "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("/",),
    "&": ("|", "^"), "|": ("&", "^"), "^": ("&", "|"), "<<": (">>",), ">>": ("<<",),
}  # fmt: skip
TWINS = {}
for one, other in (("begin", "end"), ("previous", "next"), ("busy_", "lazy_"), ("busy_bytes_", "lazy_bytes_")):
    TWINS[one], TWINS[other] = other, one

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
            elif isinstance(value, dict):
                self.settle(value)
            elif isinstance(value, list):
                for item in value:
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
        self.knowledge = effects.Knowledge(trees)
        self.exchanges = collections.defaultdict(set)  # of two statements, by the change: what is known of them
        self.enumerators = {}  # name of a constant's enumeration: its constants
        self.enumeration_of = {}  # id of a constant: that name
        self.found = {}  # (file, changes): (operator, function, Body), in the order found
        self.bodies = collections.defaultdict(set)  # of each file
        self.body = None

    def collect_enumerations(self, node):
        if node.get("kind") == "EnumDecl" and node.get("name"):
            constants = [c for c in node.get("inner", []) if c.get("kind") == "EnumConstantDecl"]
            self.enumerators[node["name"]] = [c["name"] for c in constants]
            for constant in constants:
                self.enumeration_of[constant["id"]] = node["name"]
        for child in node.get("inner", []):
            self.collect_enumerations(child)

    # -- what is noted

    def text(self, node):
        file, begin, end = node["span"]
        return self.texts[file][begin:end]

    def note(self, operator, node, function, *changes):
        """`changes`: (begin, end, text), which do not overlap."""
        file = node["span"][0]
        if all(self.texts[file][begin:end] == text for begin, end, text in changes):
            return
        body = self.body
        if body and not all(body.begin < begin and end < body.end for begin, end, _ in changes):
            body = None
        self.found.setdefault((file, tuple(sorted(changes))), (operator, function, body))

    def replace(self, operator, node, function, text):
        self.note(operator, node, function, (*node["span"][1:], text))

    # -- the walk

    def walk(self, node, function="", returns=""):
        kind = node.get("kind", "")
        if kind in NOT_CODE or node.get("isImplicit") and kind not in ("CXXRecordDecl", "CXXMethodDecl"):
            return
        if kind == "VarDecl" and LAYOUT.search(node.get("name", "")):
            return
        if kind in FUNCTIONS:
            if node.get("explicitlyDefaulted"):
                return
            returns = returned_type(node)
            if not node.get("name", "").startswith("operator()"):
                function = re.sub(r"<.*>", "", node.get("name", "")) or function
        elif kind in ("CXXRecordDecl", "ClassTemplateSpecializationDecl", "ClassTemplatePartialSpecializationDecl"):
            if not is_lambda(node):
                function = node.get("name", "")
        elif not function and kind == "VarDecl":
            function = node.get("name", "")
        span = node.get("span")
        outer = self.body
        if span and span[0] in self.texts:
            if kind in FUNCTIONS and outer is None:
                self.body = body_of(node, returns)
                self.bodies[span[0]].add(self.body)
            visit = getattr(self, "at_" + kind, None)
            if visit:
                visit(node, function, returns)
        for child in node.get("inner", []):
            # A lambda's body is there twice; in its operator() it is known what it returns.
            if kind != "LambdaExpr" or child.get("kind") != "CompoundStmt":
                self.walk(child, function, returns)
        self.body = outer

    def parts(self, node):
        """Children that are spelled inside the node."""
        inside = []
        for child in node.get("inner", []):
            span = child.get("span")
            if span and span[0] == node["span"][0] and node["span"][1] <= span[1] and span[2] <= node["span"][2]:
                inside.append(child)
        return inside

    def between(self, left, right):
        """The operator between two operands: (begin, end, text); nothing where there is more than an operator."""
        file, _, begin = left["span"]
        end = right["span"][1]
        match = re.fullmatch(r"\s*([-+*/%&|^<>=!]+)\s*", self.texts[file][begin:end]) if begin < end else None
        return match and (begin + match.start(1), begin + match.end(1), match[1])

    # -- operators

    def at_BinaryOperator(self, node, function, returns):
        self.binary(node, [c for c in node["inner"] if "span" in c], function)

    at_CompoundAssignOperator = at_BinaryOperator

    def at_CXXOperatorCallExpr(self, node, function, returns):
        self.binary(node, [c for c in node["inner"][1:] if "span" in c], function)

    def at_CXXRewrittenBinaryOperator(self, node, function, returns):
        pass  # what it was rewritten to lies at the same place

    def binary(self, node, operands, function):
        if len(operands) != 2 or not (found := self.between(*operands)):
            return
        begin, end, operator = found
        left, right = operands
        if operator in COMPARISONS:
            for other in COMPARISONS[operator]:
                self.note("compare", node, function, (begin, end, other))
        elif operator in ("&&", "||"):
            self.note("logical", node, function, (begin, end, "||" if operator == "&&" else "&&"))
            self.replace("logical", node, function, self.text(left))
            self.replace("logical", node, function, self.text(right))
        elif operator in ARITHMETIC and is_number(node):
            for other in ARITHMETIC[operator]:
                self.note("arithmetic", node, function, (begin, end, other))
            self.replace("arithmetic", node, function, self.text(left))
            self.replace("arithmetic", node, function, self.text(right))
            if operator == "-":
                self.replace("arithmetic", node, function, f"{self.text(right)} - {self.text(left)}")
        elif operator[:-1] in ARITHMETIC and operator[-1] == "=":
            for other in (*ARITHMETIC[operator[:-1]], ""):
                self.note("arithmetic", node, function, (begin, end, other + "="))

    def at_UnaryOperator(self, node, function, returns):
        operand = node["inner"][0]
        if "span" not in operand:
            return
        opcode, text = node.get("opcode"), self.text(operand)
        begin, end = node["span"][1:]
        if opcode in ("!", "-", "~"):
            self.replace("unary", node, function, text)
        elif opcode in ("++", "--"):
            other = "--" if opcode == "++" else "++"
            after = node.get("isPostfix", False)
            self.replace("step", node, function, text + other if after else other + text)
            if not node.get("unused"):
                self.replace("step", node, function, opcode + text if after else text + opcode)
                self.replace("step", node, function, text)

    # -- constants

    def at_IntegerLiteral(self, node, function, returns):
        if not re.fullmatch(r"[0-9]+", self.text(node)):
            return
        value = int(self.text(node))
        file, begin, _ = node["span"]
        divides = re.search(r"[/%]\s*$", self.texts[file][:begin]) is not None  # by 0: no program at all
        for other in sorted({0, 1, value + 1, max(value - 1, 0)} - {value, 0 if divides else value}):
            self.replace("constant", node, function, str(other))

    def at_CXXBoolLiteralExpr(self, node, function, returns):
        self.replace("constant", node, function, "false" if node["value"] else "true")

    def at_FloatingLiteral(self, node, function, returns):
        for other in ("0.0", "1.0"):
            self.replace("constant", node, function, other)

    def at_DeclRefExpr(self, node, function, returns):
        name = node.get("referencedDecl", {}).get("name") or node.get("name", "")
        file, begin, end = node["span"]
        if (enumeration := self.enumeration_of.get(node.get("referencedDecl", {}).get("id"))) is not None:
            constants = self.enumerators[enumeration]
            if not self.text(node).endswith(name):
                return
            other = constants[(constants.index(name) + 1) % len(constants)]
            self.note("side" if enumeration == "Side" else "enum", node, function, (end - len(name), end, other))
        elif name in ("min", "max"):
            self.minmax(node, function)
        elif name in TWINS and self.text(node) == name:
            self.replace("member", node, function, TWINS[name])

    def at_UnresolvedLookupExpr(self, node, function, returns):
        if node.get("name") in ("min", "max"):
            self.minmax(node, function)

    def minmax(self, node, function):
        if match := re.search(r"\b(min|max)$", self.text(node)):
            _, begin, end = node["span"]
            self.note("minmax", node, function, (end - 3, end, "max" if match[1] == "min" else "min"))

    def at_MemberExpr(self, node, function, returns):
        name = node.get("name", "").removeprefix("->").removeprefix(".") or node.get("member", "")
        if name in TWINS and re.search(rf"\b{name}$", self.text(node)):
            _, begin, end = node["span"]
            self.note("member", node, function, (end - len(name), end, TWINS[name]))

    at_CXXDependentScopeMemberExpr = at_MemberExpr

    # -- conditions and statements

    def at_IfStmt(self, node, function, returns):
        parts = node["inner"]
        branches = 2 if node.get("hasElse") else 1
        condition = parts[-branches - 1]
        if node.get("hasVar"):
            variable = parts[1 if node.get("hasInit") else 0]
            begin, end = variable["span"][1:]
            end -= 1 if self.texts[variable["span"][0]][end - 1] == ";" else 0
            for value in ("true", "false"):
                self.note("condition", node, function, (end, end, "; " + value))
        else:
            self.force(condition, function)
        for branch in parts[-branches:]:
            self.statement(branch, function)

    def at_WhileStmt(self, node, function, returns):
        if not node.get("hasVar"):
            self.force(node["inner"][-2], function)
        self.statement(node["inner"][-1], function)

    def at_DoStmt(self, node, function, returns):
        self.force(node["inner"][-1], function)
        self.statement(node["inner"][0], function)

    def at_ForStmt(self, node, function, returns):
        condition, step, body = node["inner"][-3:]
        self.force(condition, function)
        if "span" in step:
            unused(step)
            self.replace("delete", step, function, "")
        self.statement(body, function)

    def at_CXXForRangeStmt(self, node, function, returns):
        self.statement(node["inner"][-1], function)

    def at_ConditionalOperator(self, node, function, returns):
        self.force(node["inner"][0], function)

    def at_CaseStmt(self, node, function, returns):
        self.statement(node["inner"][-1], function)

    def force(self, condition, function):
        if "span" in condition:
            for value in ("true", "false"):
                self.replace("condition", condition, function, value)

    def statement(self, node, function):
        """A statement in a place where the empty one may stand."""
        kind = node.get("kind", "")
        if "span" not in node or node["span"][0] not in self.texts:
            return
        is_return = kind == "ReturnStmt" and not node.get("inner")
        if is_return or kind in ("BreakStmt", "ContinueStmt") or is_expression(kind):
            unused(node)
            self.replace("delete", node, function, "")
        elif kind in ("CXXForRangeStmt", "ForStmt", "WhileStmt", "DoStmt"):
            self.replace("delete", node, function, "{}")

    def at_CompoundStmt(self, node, function, returns):
        statements = [s for s in node.get("inner", []) if "span" in s]
        for statement in statements:
            self.statement(statement, function)
        for first, second in zip(statements, statements[1:]):
            kinds = {first["kind"], second["kind"]}
            leaves = kinds & {"ReturnStmt", "BreakStmt", "ContinueStmt", "CaseStmt"}
            if leaves or kinds == {"DeclStmt"} or self.is_assertion(first) or self.is_assertion(second):
                continue
            one, other = self.whole(first), self.whole(second)
            if one[1] <= other[0]:
                text = self.texts[node["span"][0]]
                changes = (*one, text[slice(*other)]), (*other, text[slice(*one)])
                self.exchanges[(node["span"][0], changes)].add(self.knowledge.commute(first, second))
                self.note("order", node, function, *changes)

    def forget_exchanges_without_effect(self):
        for key, known in self.exchanges.items():
            if known <= {True, None} and True in known:
                self.found.pop(key, None)

    def whole(self, statement):
        """With its semicolon."""
        file, begin, end = statement["span"]
        match = re.compile(r"\s*;").match(self.texts[file], end)
        return begin, match.end() if match else end

    def is_assertion(self, statement):
        return self.text(statement).startswith(("assert", "static_assert"))

    def at_ReturnStmt(self, node, function, returns):
        if not node.get("inner") or "span" not in node["inner"][0]:
            return
        value = node["inner"][0]
        text = self.text(value)
        if returns == "bool":
            others = ("true", "false")
        elif returns.endswith("*"):
            others = ("nullptr",)
        elif re.match(r"(std::)?optional\b", returns):
            others = ("std::nullopt",)
        elif re.match(r"(vmap::)?Result\b", returns):
            others = ("std::unexpected(Error::no_space)", "std::unexpected(Error::invalid_argument)")
        elif re.fullmatch(r"((vmap::)?(Size|Address)|std::size_t|std::uint64_t|int)", returns):
            others = ("0", f"({text}) + 1")
        else:
            return
        for other in others:
            if text != other:
                self.replace("return", value, function, other)

    # -- arguments

    def at_CallExpr(self, node, function, returns):
        callee = node["inner"][0]
        commutes = "span" in callee and re.search(r"\b(min|max)$", self.text(callee)) is not None
        self.arguments(node["inner"][1:], function, commutes)

    at_CXXMemberCallExpr = at_CallExpr

    def at_CXXConstructExpr(self, node, function, returns):
        self.arguments(node.get("inner", []), function, False)

    def at_InitListExpr(self, node, function, returns):
        file, begin, _ = node["span"]
        commutes = re.search(r"\b(min|max)\($", self.texts[file][:begin]) is not None
        self.arguments(node.get("inner", []), function, commutes)

    def at_CXXStdInitializerListExpr(self, node, function, returns):
        pass  # a list of equals: what is in it is commutative, or is found by an operator of its own

    def arguments(self, arguments, function, commutes):
        # `.name = value` is as good as the value.
        arguments = [a["inner"][-1] if a.get("kind") == "DesignatedInitExpr" else a for a in arguments]
        spelled = [a for a in arguments if "span" in a and a["span"][0] in self.texts]
        for i, first in enumerate(spelled):
            for second in spelled[i + 1 :]:
                one, other = first["span"], second["span"]
                if plain_type(first) != plain_type(second) or one[0] != other[0] or one[2] > other[1]:
                    continue
                change_one, change_other = (*one[1:], self.text(second)), (*other[1:], self.text(first))
                if not commutes:
                    self.note("argument", first, function, change_one, change_other)
                if second is spelled[i + 1]:
                    self.note("argument", first, function, change_one)
                    self.note("argument", first, function, change_other)


def body_of(function, returns):
    for child in function.get("inner", []):
        if child.get("kind") == "CompoundStmt" and "span" in child:
            _, begin, end = child["span"]
            falls_off = returns == "void" or function["kind"] in ("CXXConstructorDecl", "CXXDestructorDecl")
            return Body(begin, end, function.get("constexpr", False), falls_off)
    return None


def is_lambda(node):
    return node.get("definitionData", {}).get("isLambda", False)


def is_expression(kind):
    return kind.endswith("Expr") or kind.endswith("Operator") or kind == "ExprWithCleanups"


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
    text = node.get("type", {}).get("qualType", "")
    if "->" in text:
        return text.rsplit("->", 1)[1].strip()
    return text.split("(", 1)[0].strip()


def plain_type(node):
    text = node.get("type", {}).get("qualType", "")
    if not text or re.search(r"dependent|\(|lambda|string|char", text):
        return object()  # like no other
    return re.sub(r"\bconst\b|&|\s", "", text)


def is_number(node):
    text = node.get("type", {}).get("qualType", "")
    return "basic_string" not in text and "string" not in text


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
    parts, depth, begin = [], 0, 0
    for at, character in enumerate(text):
        if character == "{":
            depth += 1
            if depth == 1:
                parts.append(text[begin:at])
                begin = at
        elif character == "}" and depth > 0:
            depth -= 1
            if depth == 0:
                block = text[begin : at + 1]
                parts.append("{...}" if ";" in block else block)
                begin = at + 1
    return "".join(parts) + text[begin:]


def find_mutants(texts, trees):
    """All mutants, in the order of the text, and the bodies of functions. `texts` are keyed as clang names the files."""
    place = Place()
    for tree in trees:
        place.settle(tree)
    finder = Finder(texts, trees)
    for tree in trees:
        finder.collect_enumerations(tree)
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
    texts = {}
    for path in sorted(glob.glob(os.path.join(allocator, "vmap", "*.[hc]pp"))):
        with open(path, encoding="utf-8") as file:
            texts[path] = file.read()
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as source:
        source.writelines(f'#include "{path}"\n' for path in texts)
        source.flush()
        flags = ["-std=c++23", "-DNDEBUG", "-w", "-I", allocator]
        return find_mutants(texts, dump_ast(compiler, flags, source.name, "vmap"))
