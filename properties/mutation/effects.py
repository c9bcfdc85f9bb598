# SPDX-License-Identifier: Apache-2.0
"""What a statement may read and write, by name: so that an exchange of two that have nothing to do with each other is no
mutant at all.

Two adjacent statements commute if neither writes what the other reads or writes, and, where one may leave (return,
break), the other does no more than to compute a variable of its own, out of what is there in any case.  Places are told
apart by the names of variables and fields alone: fields of different names never overlap, whatever object they belong to;
fields of one name may always be the same.  A call has the effects of all functions of that name in the sources, and of
those that they call; what is called outside of them is known to only read, or may do anything.

A statement of a kind that is not known may do anything; so may a call of a lambda.  Two things are taken for granted, as
they hold in the sources that this reads: a constructor only computes its object, and a reference to a number is not read
under its own name while the number is written under another.  Two statements that are kept apart may commute: then the
mutant is asked for a proof as any other.
"""

import functools
import re

# Called with the sources' own objects, these read them and no more.
ONLY_READ = {
    "max", "min", "size", "empty", "begin", "end", "load", "none_of", "any_of", "all_of", "count_if", "forward",
    "has_value", "value", "error", "operator*", "operator->", "operator[]", "operator bool", "operator!", "operator==",
    "get_default_resource", "countr_zero", "bit_width", "has_single_bit", "data", "operator+", "operator-",
}  # fmt: skip
LEAVES = {"ReturnStmt", "BreakStmt", "ContinueStmt"}
# Nothing of their own, but for what visit() says: what they do is in what is inside.
TRANSPARENT = LEAVES | {
    "CompoundStmt", "DeclStmt", "IfStmt", "WhileStmt", "ForStmt", "DoStmt", "SwitchStmt", "CaseStmt", "DefaultStmt", "NullStmt",
    "ImplicitCastExpr", "ParenExpr", "ExprWithCleanups", "MaterializeTemporaryExpr", "CXXBindTemporaryExpr",
    "ConstantExpr", "InitListExpr", "CXXConstructExpr", "CXXTemporaryObjectExpr", "ConditionalOperator", "CXXStaticCastExpr",
    "CStyleCastExpr", "CXXFunctionalCastExpr", "CXXReinterpretCastExpr", "CXXConstCastExpr", "DesignatedInitExpr",
    "IntegerLiteral", "FloatingLiteral", "CXXBoolLiteralExpr", "CXXNullPtrLiteralExpr", "StringLiteral", "CXXThisExpr",
    "CXXStdInitializerListExpr", "CXXDefaultArgExpr", "CXXDefaultInitExpr", "ImplicitValueInitExpr", "SubstNonTypeTemplateParmExpr",
    "CXXScalarValueInitExpr", "UnaryExprOrTypeTraitExpr", "LambdaExpr", "CXXForRangeStmt", "CXXRewrittenBinaryOperator",
    "VarDecl", "CompoundLiteralExpr", "ArraySubscriptExpr", "BinaryOperator", "CompoundAssignOperator", "UnaryOperator",
}  # fmt: skip
NO_CODE = {"CXXRecordDecl", "FullComment", "TypedefDecl", "StaticAssertDecl"}  # of a lambda, the body stands beside it
CALLS = {"CallExpr", "CXXMemberCallExpr", "CXXOperatorCallExpr"}
PLACES = {"DeclRefExpr", "MemberExpr"}
FUNCTIONS = {"FunctionDecl", "CXXMethodDecl"}
DEPENDENT = ("Dependent", "Unresolved", "PackExpansion", "ParenListExpr", "CXXUnresolvedConstructExpr")


def nodes_of(node):
    """The node and all below it, in the order of the text."""
    yield node
    for child in node.get("inner", []):
        yield from nodes_of(child)


def type_of(node):
    return node.get("type", {}).get("qualType", "")


class Knowledge:
    """Of all functions in the sources."""

    def __init__(self, trees):
        self.functions = {}  # by name: the effects on fields, of all that have the name
        for node in (node for tree in trees for node in nodes_of(tree)):
            if node.get("kind") in FUNCTIONS and not node.get("isImplicit"):
                for body in (child for child in node.get("inner", []) if child.get("kind") == "CompoundStmt"):
                    found = Effects(body, inside=True)
                    if "dependent" not in found.traits:
                        self.functions.setdefault(node.get("name", ""), Effects()).add(found)

    @functools.cache
    def of_call(self, name):
        """With what the function calls in its turn."""
        whole, waiting, seen = Effects(), {name}, set()
        while waiting:
            one = waiting.pop()
            seen.add(one)
            if one in self.functions:
                whole.add(self.functions[one])
                waiting |= self.functions[one].calls - seen
            elif one not in ONLY_READ:
                whole.traits.add("anything")
        return whole

    def of_statement(self, node):
        found = Effects(node)
        for name in list(found.calls):
            found.add(self.of_call(name))
        if node.get("kind") == "DeclStmt" and "follows" not in found.traits:
            if all(path == (declared.get("name", ""),) for path in found.writes for declared in node.get("inner", [])):
                found.traits.add("declares")
        return found

    def commute(self, first, second):
        """True or False; None in a template that is not instantiated, where nothing can be said."""
        one, other = self.of_statement(first), self.of_statement(second)
        if "dependent" in one.traits | other.traits:
            return None
        if "anything" in one.traits | other.traits:
            return False
        if any("leaves" in a.traits and "declares" not in b.traits for a, b in ((one, other), (other, one))):
            return False
        return not (meet(one.writes, other.writes | other.reads) or meet(one.reads, other.writes))


def meet(written, touched):
    return any(w[-1] in t or t[-1] in w for w in written for t in touched)


class Effects:
    """Of a statement: what it reads and what it writes, as paths (tuples of names, the whole first), the names of the
    functions that it calls, and traits:

        anything   it may do anything
        leaves     it may return, break or continue
        follows    it follows a pointer, or divides, which may not be done too early
        dependent  it is of a template that is not instantiated
        declares   it does no more than to compute a variable of its own

    `inside` a function that is called, its own variables are nobody else's."""

    def __init__(self, node=None, inside=False):
        self.reads, self.writes, self.calls, self.traits = set(), set(), set(), set()
        self.inside = inside
        if node:
            self.visit(node)

    def add(self, other):
        self.reads |= other.reads
        self.writes |= other.writes
        self.calls |= other.calls
        self.traits |= other.traits

    def visit_all(self, nodes):
        for node in nodes:
            self.visit(node)

    def visit(self, node):
        kind, opcode = node.get("kind", ""), node.get("opcode")
        children = [c for c in node.get("inner", []) if c.get("kind")]
        if any(part in kind for part in DEPENDENT) or "<dependent type>" in type_of(node):
            self.traits.add("dependent")
        elif kind in NO_CODE or kind.endswith(("Type", "Attr")):
            pass
        elif kind in CALLS:
            self.call(node, children)
        elif kind in PLACES:
            self.read(node)
        elif kind == "BinaryOperator" and opcode == "=":
            self.write(children[0])
            self.visit(children[1])
        elif kind in TRANSPARENT:
            if kind in LEAVES and not self.inside:
                self.traits.add("leaves")
            if kind == "VarDecl" and not self.inside:
                self.writes.add((node.get("name", ""),))
            if kind == "CompoundAssignOperator" or opcode in ("++", "--"):
                self.write(children[0])
            if (kind, opcode) in (("BinaryOperator", "/"), ("BinaryOperator", "%"), ("UnaryOperator", "*")):
                self.traits.add("follows")
            if (kind, opcode) == ("UnaryOperator", "*") and node.get("valueCategory") != "lvalue":
                self.traits.add("anything")  # a whole object is copied: no place that is passed on, or has a member taken
            self.visit_all(children)
        else:
            self.traits.add("anything")

    def read(self, node):
        if node.get("isArrow") and bare(node["inner"][0]).get("kind") != "CXXThisExpr":
            self.traits.add("follows")
        if path := self.path_of(node):
            self.reads.add(path)
            self.visit_all(objects_of(node))

    def write(self, target):
        target = bare(target)
        is_part = target.get("kind") == "CXXOperatorCallExpr" and called(target) == "operator[]"  # of a std::array
        if is_part or target.get("kind") == "ArraySubscriptExpr":
            array, index = target["inner"][-2:]
            self.write(array)
            self.visit(index)
            return
        path = self.path_of(target)
        if path is None or self.is_reference(target):
            self.traits.add("anything")
            return
        if path:
            self.writes.add(path)
        self.visit_all(objects_of(target))

    def call(self, node, children):
        name, arguments = called(node), children[1:]
        if name is None or name == "operator()":  # of a lambda, which may do anything to what it has captured
            self.traits.add("anything")
        elif name in ("exchange", "move"):  # of a place
            self.write(arguments[0])
            self.visit_all(arguments)
        elif name == "operator=":
            assigned = arguments[0].get("type", {})
            if "array<" in assigned.get("desugaredQualType", type_of(arguments[0])) or is_own_variable(arguments[0]):
                self.write(arguments[0])
            else:
                self.traits.add("anything")  # all fields of a class
            self.visit_all(arguments[1:])
        elif name == "operator++":  # of an iterator
            self.write(arguments[0])
        else:
            self.call_named(name, bare(children[0]), arguments)

    def call_named(self, name, callee, arguments):
        if name in ("operator*", "operator->", "operator[]"):
            self.traits.add("follows")
        self.visit_all(arguments)
        self.calls.add(name)
        if callee.get("kind") == "MemberExpr":
            self.visit_all(c for c in callee.get("inner", []) if c.get("kind"))
        if name in ONLY_READ:
            return
        for argument in map(bare, arguments):  # what is passed by reference may be written; by its fields, the callee says
            if argument.get("valueCategory") == "lvalue" and argument.get("kind") in PLACES and not is_own_class(argument):
                if path := self.path_of(argument):
                    self.writes.add(path)

    def path_of(self, node):
        """Names, the whole first; () for what is nobody else's or no place; None for a place that has no name."""
        node = bare(node)
        if node.get("kind") == "DeclRefExpr":
            declared = node.get("referencedDecl", {})
            theirs = ("BindingDecl",) if self.inside else ("VarDecl", "ParmVarDecl", "BindingDecl", "DecompositionDecl")
            return (declared.get("name", ""),) if declared.get("kind") in theirs else ()
        if node.get("kind") == "MemberExpr":
            if "bound member" in type_of(node):
                return ()
            whole = whole_of(node)
            return (*(whole and self.path_of(whole) or ()), node.get("name", ""))
        return None

    def is_reference(self, node):
        """A variable that stands for another place, whose name is not known here. The call says what a parameter stands for."""
        declared = bare(node).get("referencedDecl", {})
        return type_of(declared).endswith("&") and not (self.inside and declared.get("kind") == "ParmVarDecl")


def is_own_variable(node):
    """A local variable, which has a name and no other."""
    declared = bare(node).get("referencedDecl", {})
    return declared.get("kind") == "VarDecl" and not type_of(declared).endswith("&")


def is_own_class(node):
    """Passed by reference, it is written field by field, by functions whose effects are known."""
    return re.search(r"\b(Node|AreaTree|FreeTree|AugmentedRbTree<.*>|TreeLinks<.*>)( const)?$", type_of(node)) is not None


def called(node):
    callee = bare(node["inner"][0])
    if callee.get("kind") == "MemberExpr":
        return callee.get("name", "")
    if callee.get("kind") == "DeclRefExpr":
        declared = callee.get("referencedDecl", {})
        return declared.get("name") if declared.get("kind") in FUNCTIONS else None
    return None


def bare(node):
    """Without what changes neither place nor value; a value that is loaded stays apart from a place that is passed."""
    while node.get("kind") in ("ParenExpr", "ExprWithCleanups", "ConstantExpr") or (
        node.get("kind") == "ImplicitCastExpr"
        and node.get("castKind") in ("NoOp", "FunctionToPointerDecay", "ArrayToPointerDecay", "UncheckedDerivedToBase")
    ):
        node = node["inner"][0]
    return node


def whole_of(member):
    """The object that has it as a part; None behind a pointer, and for what is computed."""
    base = bare(member["inner"][0]) if member.get("inner") else {}
    return base if not member.get("isArrow") and base.get("kind") in PLACES else None


def objects_of(node):
    """What is read to get to a place: the pointers on the way."""
    node = bare(node)
    if node.get("kind") != "MemberExpr" or not node.get("inner"):
        return []
    if whole := whole_of(node):
        return objects_of(whole)
    base = bare(node["inner"][0])
    return [] if base.get("kind") == "CXXThisExpr" else [base]
