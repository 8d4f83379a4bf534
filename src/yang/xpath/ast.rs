//! The expression form that codegen writes as constants and the run-time parser builds.
//!
//! Names are resolved: a name test carries the name of the module, never a prefix. Slices are
//! `Cow`, so that one type serves both a `static` and a parsed filter. Nothing here refers to
//! the schema or to data, because codegen includes this folder by path.

use std::borrow::Cow;

/// A slice that is either compiled in or was parsed at run time.
pub type List<T> = Cow<'static, [T]>;
/// A text that is either compiled in or was parsed at run time.
pub type Text = Cow<'static, str>;

/// An XPath 1.0 expression (XPath 1.0 section 3) with the functions of RFC 7950 section 10.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A binary operation; the slice has exactly two operands.
    Binary(Operator, List<Expr>),
    /// Unary minus; the slice has exactly one operand.
    Negate(List<Expr>),
    /// A number.
    Number(f64),
    /// A literal.
    Literal(Text),
    /// A call of a core or YANG function; the number of arguments was checked by the parser.
    Call(Function, List<Expr>),
    /// A location path.
    Path(Path),
}

/// A location path: where it starts and its steps (XPath 1.0 section 2).
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Where the path starts.
    pub start: Start,
    /// The steps. Empty for `/` alone.
    pub steps: List<Step>,
}

/// Where a location path starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// The root: an absolute path.
    Root,
    /// The context node: a relative path.
    Context,
    /// The value of a filter expression; both slices: exactly one expression, then predicates.
    Filter(List<Expr>, List<Expr>),
}

/// One step of a location path.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The axis.
    pub axis: Axis,
    /// The node test.
    pub test: NodeTest,
    /// The predicates.
    pub predicates: List<Expr>,
}

/// The axes that make sense for YANG data (attribute and namespace select nothing).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// `child`.
    Child,
    /// `parent`.
    Parent,
    /// `self`.
    SelfNode,
    /// `descendant`.
    Descendant,
    /// `descendant-or-self`.
    DescendantOrSelf,
    /// `ancestor`.
    Ancestor,
    /// `ancestor-or-self`.
    AncestorOrSelf,
    /// `preceding-sibling`.
    PrecedingSibling,
    /// `following-sibling`.
    FollowingSibling,
    /// `preceding`.
    Preceding,
    /// `following`.
    Following,
    /// `attribute`.
    Attribute,
    /// `namespace`.
    Namespace,
}

/// What a step selects on its axis.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeTest {
    /// A name in a module.
    Name {
        /// Name of the module.
        module: Text,
        /// The local name.
        name: Text,
    },
    /// `*`.
    Any,
    /// `prefix:*`.
    AnyOf {
        /// Name of the module.
        module: Text,
    },
    /// `node()`.
    Node,
    /// `text()`.
    Text,
    /// `comment()` or `processing-instruction()`: YANG data has none.
    Nothing,
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `or`.
    Or,
    /// `and`.
    And,
    /// `=`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `div`.
    Divide,
    /// `mod`.
    Modulo,
    /// `|`.
    Union,
}

/// The XPath core functions (XPath 1.0 section 4) and those of RFC 7950 section 10.
///
/// `id`, `lang` and `namespace-uri` are there for completeness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is the function of its name
pub enum Function {
    Last,
    Position,
    Count,
    Id,
    LocalName,
    NamespaceUri,
    Name,
    String,
    Concat,
    StartsWith,
    Contains,
    SubstringBefore,
    SubstringAfter,
    Substring,
    StringLength,
    NormalizeSpace,
    Translate,
    Boolean,
    Not,
    True,
    False,
    Lang,
    Number,
    Sum,
    Floor,
    Ceiling,
    Round,
    Current,
    ReMatch,
    Deref,
    DerivedFrom,
    DerivedFromOrSelf,
    EnumValue,
    BitIsSet,
}
