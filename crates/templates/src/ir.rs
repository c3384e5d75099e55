//! The compiled form of a template: owned, so that it can be cached and shared.

use crate::filters::Filter;
use crate::ops::Arith;
use crate::tests::Test;
use minijinja::Value;
use std::sync::Arc;

/// Where a piece of a template stands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    pub line: u32,
    pub start: u32,
    pub end: u32,
}

pub(crate) type Name = Arc<str>;

#[derive(Debug)]
pub(crate) struct Expr {
    pub place: Place,
    /// How deep evaluating it descends.
    pub depth: u16,
    pub kind: ExprKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

#[derive(Debug)]
pub(crate) enum ExprKind {
    Const(Value),
    Var(Name),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Attr(Box<Expr>, Name),
    Item(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, [Option<Box<Expr>>; 3]),
    Not(Box<Expr>),
    Neg(Box<Expr>),
    Pos(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Arith(Arith, Box<Expr>, Box<Expr>),
    Concat(Vec<Expr>),
    Compare(Box<Expr>, Vec<(Cmp, Expr)>),
    If(Box<Expr>, Box<Expr>, Option<Box<Expr>>),
    /// No subject: the head of a filter block's chain.
    Filter(Known<Filter>, Option<Box<Expr>>, Vec<Arg>),
    Test(Known<Test>, Box<Expr>, Vec<Arg>),
    Call(Box<Expr>, Vec<Arg>),
}

/// A filter or test: its name, and what it is unless nobody knows it. An unknown one is an error where it is used;
/// those outside of conditions are found when the template is compiled.
#[derive(Debug)]
pub(crate) struct Known<T> {
    pub name: Name,
    pub what: Option<T>,
}

#[derive(Debug)]
pub(crate) enum Arg {
    Pos(Expr),
    Named(Name, Expr),
    Splat(Expr),
    NamedSplat(Expr),
}

/// What an assignment writes to.
#[derive(Debug)]
pub(crate) enum Target {
    Name(Name),
    Attr(Expr, Name),
    Many(Vec<Target>, Place),
}

#[derive(Debug)]
pub(crate) struct MacroDef {
    pub name: Name,
    pub params: Vec<Name>,
    /// Defaults of the last parameters.
    pub defaults: Vec<Expr>,
    pub body: Vec<Stmt>,
    /// The body reads `caller`, `varargs`, `kwargs`: extra arguments are welcome.
    pub varargs: bool,
    pub kwargs: bool,
    pub caller: bool,
}

#[derive(Debug)]
pub(crate) struct BlockDef {
    pub name: Name,
    pub body: Vec<Stmt>,
    /// Sees the names around it.
    pub scoped: bool,
    /// Must be defined by a child.
    pub required: bool,
}

#[derive(Debug)]
pub(crate) struct ForLoop {
    pub target: Target,
    pub iter: Expr,
    pub filter: Option<Expr>,
    pub recursive: bool,
    pub body: Vec<Stmt>,
    pub otherwise: Vec<Stmt>,
}

#[derive(Debug)]
pub(crate) enum Stmt {
    Raw(String),
    Emit(Expr),
    For(Arc<ForLoop>),
    /// Conditions with their bodies, then the last `else`.
    If(Vec<(Expr, Vec<Stmt>)>, Vec<Stmt>),
    With(Vec<(Target, Expr)>, Vec<Stmt>),
    Set(Target, Expr),
    SetBlock(Target, Option<Expr>, Vec<Stmt>),
    FilterBlock(Expr, Vec<Stmt>),
    /// A group without its own meaning (`autoescape`).
    Group(Vec<Stmt>),
    Block(Arc<BlockDef>),
    Extends(Expr),
    Include {
        name: Expr,
        ignore_missing: bool,
        context: bool,
    },
    Import {
        name: Expr,
        target: Name,
        context: bool,
    },
    FromImport {
        name: Expr,
        names: Vec<(Name, Name)>,
        context: bool,
    },
    Macro(Arc<MacroDef>),
    CallBlock(Expr, Arc<MacroDef>),
    Do(Expr),
    Continue,
    Break,
}

#[derive(Debug)]
pub(crate) struct Program {
    pub body: Vec<Stmt>,
    /// Blocks by name, in order of appearance, nested ones too.
    pub blocks: Vec<Arc<BlockDef>>,
    /// Some method that changes its object is called: literals must be mutable.
    pub mutates: bool,
}

/// A compiled bare expression.
#[derive(Debug)]
pub(crate) struct Bare {
    pub expr: Expr,
    pub mutates: bool,
    /// Some string literal holds a template: conditions render those.
    pub embedded: bool,
}
