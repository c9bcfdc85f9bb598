# SPDX-License-Identifier: Apache-2.0
"""What a statement may read and write, by name: so that an exchange of two that have nothing to do with each other is no
mutant at all.

Two adjacent statements commute if neither writes what the other reads or writes, and, where one may leave (return,
break), the other does no more than to compute a variable of its own, out of what is there in any case.  Places are told apart by the names of variables and fields alone: fields of different names never overlap, whose
object they may be of; fields of one name may always be the same.  A call has the effects of all functions of that name in
the sources, and of those that they call; what is called outside of them is known to only read, or may do anything.

A statement of a kind that is not known may do anything; so may a call of a lambda.  Two things are taken for granted, as
they hold in the sources that this reads: a constructor only computes its object, and a reference to a number is not read
under its own name while the number is written under another.  Two statements that are kept apart may commute: then the
mutant is asked for a proof as any other.
"""

import re

# Called with the sources' own objects, these read them and no more.
ONLY_READ = {
    "max", "min", "size", "empty", "begin", "end", "load", "none_of", "any_of", "all_of", "count_if", "forward",
    "has_value", "value", "error", "operator*", "operator->", "operator[]", "operator bool", "operator!", "operator==",
    "get_default_resource", "countr_zero", "bit_width", "has_single_bit", "data", "operator+", "operator-",
}  # fmt: skip
LEAVES = {"ReturnStmt", "BreakStmt", "ContinueStmt"}
# Nothing of their own: what they do is in what is inside.
TRANSPARENT = {
    "CompoundStmt", "DeclStmt", "IfStmt", "WhileStmt", "ForStmt", "DoStmt", "SwitchStmt", "CaseStmt", "DefaultStmt", "NullStmt",
    "ImplicitCastExpr", "ParenExpr", "ExprWithCleanups", "MaterializeTemporaryExpr", "CXXBindTemporaryExpr",
    "ConstantExpr", "InitListExpr", "CXXConstructExpr", "CXXTemporaryObjectExpr", "ConditionalOperator", "CXXStaticCastExpr",
    "CStyleCastExpr", "CXXFunctionalCastExpr", "CXXReinterpretCastExpr", "CXXConstCastExpr", "DesignatedInitExpr",
    "IntegerLiteral", "FloatingLiteral", "CXXBoolLiteralExpr", "CXXNullPtrLiteralExpr", "StringLiteral", "CXXThisExpr",
    "CXXStdInitializerListExpr", "CXXDefaultArgExpr", "CXXDefaultInitExpr", "ImplicitValueInitExpr", "SubstNonTypeTemplateParmExpr",
    "CXXScalarValueInitExpr", "UnaryExprOrTypeTraitExpr", "LambdaExpr", "CXXForRangeStmt", "CXXRewrittenBinaryOperator",
    "FullComment", "VarDecl", "CompoundLiteralExpr", "ArraySubscriptExpr",
}  # fmt: skip
FUNCTIONS = {"FunctionDecl", "CXXMethodDecl"}
DEPENDENT = ("Dependent", "Unresolved", "PackExpansion", "ParenListExpr", "CXXUnresolvedConstructExpr")


class Effects:
    """Of a statement: reads and writes, each a set of paths; a path is a tuple of names, the whole first."""

    def __init__(self):
        self.reads, self.writes, self.calls = set(), set(), set()
        self.anything = False  # may do anything
        self.leaves = False
        self.follows = False  # a pointer, or divides: what may not be done too early
        self.dependent = False  # of a template that is not instantiated

    def add(self, other):
        self.reads |= other.reads
        self.writes |= other.writes
        self.calls |= other.calls
        self.anything |= other.anything
        self.leaves |= other.leaves
        self.follows |= other.follows
        self.dependent |= other.dependent


class Knowledge:
    """Of all functions in the sources."""

    def __init__(self, trees):
        self.functions = {}  # by name: the effects on fields, of all that have the name
        self.closed = {}
        for tree in trees:
            self.collect(tree)

    def collect(self, node):
        if node.get("kind") in FUNCTIONS and not node.get("isImplicit"):
            for child in node.get("inner", []):
                if child.get("kind") == "CompoundStmt":
                    found = effects_of(child, inside=True)
                    if not found.dependent:
                        self.functions.setdefault(node.get("name", ""), Effects()).add(found)
        for child in node.get("inner", []):
            self.collect(child)

    def of_call(self, name):
        """With what the function calls in its turn."""
        if name in self.closed:
            return self.closed[name]
        whole, waiting, seen = Effects(), [name], set()
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if one in self.functions:
                found = self.functions[one]
                whole.add(found)
                waiting.extend(found.calls)
            elif one not in ONLY_READ:
                whole.anything = True
        whole.calls = set()
        self.closed[name] = whole
        return whole

    def of_statement(self, node):
        found = effects_of(node, inside=False)
        for name in list(found.calls):
            called = self.of_call(name)
            found.reads |= called.reads
            found.writes |= called.writes
            found.anything |= called.anything
            found.follows |= called.follows
        found.only_declares = node.get("kind") == "DeclStmt" and not found.follows and all(
            path == (declared.get("name", ""),) for path in found.writes for declared in node.get("inner", [])
        )  # fmt: skip
        return found

    def commute(self, first, second):
        """True or False; None in a template that is not instantiated, where nothing can be said."""
        one, other = self.of_statement(first), self.of_statement(second)
        if one.dependent or other.dependent:
            return None
        if one.anything or other.anything:
            return False
        if one.leaves and not other.only_declares or other.leaves and not one.only_declares:
            return False
        return not (
            meet(one.writes, other.writes) or meet(one.writes, other.reads) or meet(one.reads, other.writes)
        )  # fmt: skip


def meet(written, touched):
    return any(w[-1] in t or t[-1] in w for w in written for t in touched)


def effects_of(node, inside):
    """Of the statement itself.  `inside` a function that is called, its own variables are nobody else's."""
    found = Effects()
    visit(node, found, inside)
    return found


def visit(node, found, inside):
    kind = node.get("kind", "")
    children = [c for c in node.get("inner", []) if c.get("kind")]
    if any(part in kind for part in DEPENDENT) or "<dependent type>" in node.get("type", {}).get("qualType", ""):
        found.dependent = True
    elif kind in LEAVES:
        found.leaves |= not inside
        visit_all(children, found, inside)
    elif kind == "BinaryOperator" and node.get("opcode") == "=":
        write(children[0], found, inside)
        visit(children[1], found, inside)
    elif kind == "BinaryOperator":
        found.follows |= node.get("opcode") in ("/", "%")
        visit_all(children, found, inside)
    elif kind == "CompoundAssignOperator" or kind == "UnaryOperator" and node.get("opcode") in ("++", "--"):
        write(children[0], found, inside)
        visit_all(children, found, inside)
    elif kind == "UnaryOperator":
        found.follows |= node.get("opcode") == "*"
        if node.get("opcode") == "*" and is_copied(node):
            found.anything = True
        visit_all(children, found, inside)
    elif kind in ("DeclRefExpr", "MemberExpr"):
        found.follows |= node.get("isArrow", False) and bare(node["inner"][0]).get("kind") != "CXXThisExpr"
        if (path := path_of(node, inside)) is None:
            visit_all(children, found, inside)
        elif path:
            found.reads.add(path)
            visit_all(objects_of(node), found, inside)
    elif kind in ("CallExpr", "CXXMemberCallExpr", "CXXOperatorCallExpr"):
        call(node, children, found, inside)
    elif kind == "VarDecl" or kind == "DeclStmt":
        if kind == "VarDecl" and not inside:
            found.writes.add((node.get("name", ""),))
        visit_all(children, found, inside)
    elif kind in ("CXXRecordDecl", "FullComment", "TypedefDecl", "StaticAssertDecl"):
        pass  # no code; of a lambda, the body stands beside it
    elif kind in TRANSPARENT:
        visit_all(children, found, inside)
    elif kind.endswith("Type") or kind.endswith("Attr"):
        pass
    else:
        found.anything = True


def visit_all(nodes, found, inside):
    for node in nodes:
        visit(node, found, inside)


def write(target, found, inside):
    target = bare(target)
    if target.get("kind") == "CXXOperatorCallExpr" and called(target) == "operator[]":  # of std::array: a part of it
        write(target["inner"][1], found, inside)
        visit_all(target["inner"][2:], found, inside)
        return
    if target.get("kind") == "ArraySubscriptExpr":
        write(target["inner"][0], found, inside)
        visit(target["inner"][1], found, inside)
        return
    path = path_of(target, inside)
    if path is None or is_reference(target, inside):
        found.anything = True
        return
    if path:
        found.writes.add(path)
    visit_all(objects_of(target), found, inside)


def call(node, children, found, inside):
    name = called(node)
    if name is None:
        found.anything = True
        return
    if name == "operator()":  # of a lambda, which may do anything to what it has captured
        found.anything = True
        return
    if name in ("exchange", "move"):  # of a place
        write(children[1], found, inside)
        visit_all(children[1:], found, inside)
        return
    if name == "operator=":
        assigned = children[1].get("type", {})
        if "array<" in assigned.get("desugaredQualType", assigned.get("qualType", "")) or is_own_variable(children[1]):
            write(children[1], found, inside)
        else:
            found.anything = True  # all fields of a class
        visit_all(children[2:], found, inside)
        return
    if name == "operator++":  # of an iterator
        write(children[1], found, inside)
        return
    found.follows |= name in ("operator*", "operator->", "operator[]")
    visit_all(children[1:], found, inside)
    found.calls.add(name)
    callee = bare(children[0])
    if callee.get("kind") == "MemberExpr":
        visit_all([c for c in callee.get("inner", []) if c.get("kind")], found, inside)
    if name not in ONLY_READ:
        for argument in children[1:]:  # what is passed by reference may be written; by its fields, the callee says
            argument = bare(argument)
            if argument.get("valueCategory") != "lvalue" or is_own_class(argument):
                continue
            if argument.get("kind") in ("DeclRefExpr", "MemberExpr"):
                if path := path_of(argument, inside):
                    found.writes.add(path)


def is_own_variable(node):
    """A local variable, which has a name and no other."""
    declared = bare(node).get("referencedDecl", {})
    return declared.get("kind") == "VarDecl" and not declared.get("type", {}).get("qualType", "").endswith("&")


def is_own_class(node):
    """Passed by reference, it is written field by field, by functions whose effects are known."""
    return re.search(r"\b(Node|AreaTree|FreeTree|AugmentedRbTree<.*>|TreeLinks<.*>)( const)?$", node.get("type", {}).get("qualType", "")) is not None


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


def path_of(node, inside):
    """Names, the whole first; () for what is nobody else's or no place; None for a place that has no name."""
    node = bare(node)
    kind = node.get("kind")
    if kind == "DeclRefExpr":
        declared = node.get("referencedDecl", {})
        if declared.get("kind") not in ("VarDecl", "ParmVarDecl", "BindingDecl", "DecompositionDecl"):
            return ()
        return () if inside and declared.get("kind") != "BindingDecl" else (declared.get("name", ""),)
    if kind == "MemberExpr":
        if "(" in node.get("type", {}).get("qualType", "") and "bound member" in node["type"]["qualType"]:
            return ()
        base = bare(node["inner"][0]) if node.get("inner") else {}
        outer = ()
        if not node.get("isArrow") and base.get("kind") in ("MemberExpr", "DeclRefExpr"):
            outer = path_of(base, inside) or ()
        return (*outer, node.get("name", ""))
    return None


def objects_of(node):
    """What is read to get to a place: the pointers on the way."""
    node = bare(node)
    if node.get("kind") != "MemberExpr" or not node.get("inner"):
        return []
    base = bare(node["inner"][0])
    if not node.get("isArrow") and base.get("kind") in ("MemberExpr", "DeclRefExpr"):
        return objects_of(base)
    return [] if base.get("kind") == "CXXThisExpr" else [base]


def is_reference(node, inside):
    """A variable that stands for another place, whose name nobody knows here; what a parameter stands for, the call says."""
    declared = bare(node).get("referencedDecl", {})
    if inside and declared.get("kind") == "ParmVarDecl":
        return False
    return declared.get("type", {}).get("qualType", "").endswith("&")


def is_copied(node):
    """`*node` as a value, and not as a place that is passed on or has a member taken."""
    return node.get("valueCategory") != "lvalue"
