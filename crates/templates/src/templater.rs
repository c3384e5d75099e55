//! The entry points.

use crate::error::{ErrorKind, TemplateError};
use crate::eval::Eval;
use crate::ir::{Bare, Program, Stmt};
use crate::ops::Result;
use crate::parse::{self, Syntax};
use crate::scope::{FileContext, Lookups, Scope};
use crate::stmt::Out;
use crate::value::{View, finalize, type_name, variable, view};
use minijinja::Value;
use std::borrow::{Borrow, Cow};
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// Templates within templates within templates: deeper is a loop nobody noticed.
const MAX_NESTING: usize = 40;

/// Compiled texts kept; beyond it the cache starts afresh.
const CACHE_LIMIT: usize = 50_000;

/// Renders and evaluates; shared by all hosts and threads, caches compiled templates by their text.
pub struct Templater {
    host: Arc<dyn Lookups>,
    texts: [Cache<Arc<str>, Program>; 2],
    expressions: Cache<Arc<str>, Bare>,
    files: RwLock<HashMap<u64, Vec<Arc<CompiledFile>>>>,
}

/// How [`Templater::render_str`] treats a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RenderOptions {
    /// Backslashes in the string literals of `{{ }}` stand for themselves, as in every YAML value; false
    /// where they are escapes (template files, the `template` lookup).
    pub literal_escapes: bool,
    /// The value of a variable that other templates use: lists and dicts may have members that are missing, and
    /// fail only where these are used. Before such a value leaves templating it goes through [`crate::finalize`].
    pub lazy: bool,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { literal_escapes: true, lazy: false }
    }
}

/// The options of a template file: those of the `template` module, then the file's own `#jinja2:` header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileOptions {
    /// Directories searched for includes, imports and parents, in order.
    pub search: Vec<PathBuf>,
    /// Remove the first newline after a block (default true).
    pub trim_blocks: bool,
    /// Remove blanks before a block that starts a line (default false).
    pub lstrip_blocks: bool,
    /// End the output with as many newlines as the file has at its end (default true). Included files and parents
    /// always lose their last newline, as in Jinja.
    pub keep_trailing_newline: bool,
    /// What ends lines in the output: `\n` (default), `\r\n` or `\r`.
    pub newline_sequence: String,
    /// Default `{{`.
    pub variable_start_string: String,
    /// Default `}}`.
    pub variable_end_string: String,
    /// Default `{%`.
    pub block_start_string: String,
    /// Default `%}`.
    pub block_end_string: String,
    /// Default `{#`.
    pub comment_start_string: String,
    /// Default `#}`.
    pub comment_end_string: String,
    /// What begins a line that is a statement (default nothing).
    pub line_statement_prefix: Option<String>,
    /// What begins a comment up to the end of the line (default nothing).
    pub line_comment_prefix: Option<String>,
    /// String literals in `{{ }}` keep their backslashes (default false for files).
    pub literal_escapes: bool,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            search: Vec::new(),
            trim_blocks: true,
            lstrip_blocks: false,
            keep_trailing_newline: true,
            newline_sequence: "\n".to_owned(),
            variable_start_string: "{{".to_owned(),
            variable_end_string: "}}".to_owned(),
            block_start_string: "{%".to_owned(),
            block_end_string: "%}".to_owned(),
            comment_start_string: "{#".to_owned(),
            comment_end_string: "#}".to_owned(),
            line_statement_prefix: None,
            line_comment_prefix: None,
            literal_escapes: false,
        }
    }
}

impl FileOptions {
    /// Is a template the same under both? Where others are searched does not matter.
    fn same_syntax(&self, other: &Self) -> bool {
        (self.trim_blocks, self.lstrip_blocks, self.keep_trailing_newline, self.literal_escapes)
            == (other.trim_blocks, other.lstrip_blocks, other.keep_trailing_newline, other.literal_escapes)
            && self.newline_sequence == other.newline_sequence
            && self.variable_start_string == other.variable_start_string
            && self.variable_end_string == other.variable_end_string
            && self.block_start_string == other.block_start_string
            && self.block_end_string == other.block_end_string
            && self.comment_start_string == other.comment_start_string
            && self.comment_end_string == other.comment_end_string
            && self.line_statement_prefix == other.line_statement_prefix
            && self.line_comment_prefix == other.line_comment_prefix
    }

    fn syntax(&self) -> Result<Syntax> {
        let pairs = [
            (&self.variable_start_string, &self.variable_end_string),
            (&self.block_start_string, &self.block_end_string),
            (&self.comment_start_string, &self.comment_end_string),
        ];
        let bad = |message: &str| TemplateError::new(ErrorKind::Syntax, message);
        if pairs.iter().any(|(open, close)| open.is_empty() || close.is_empty()) {
            return Err(bad("template delimiters must not be empty"));
        }
        let [a, b, c] = pairs.map(|(open, _)| open);
        if a == b || b == c || a == c {
            return Err(bad("block, variable and comment start strings must be different"));
        }
        let pair = |(open, close): (&String, &String)| [open.clone(), close.clone()];
        let prefix = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(Syntax {
            variable: pair(pairs[0]),
            block: pair(pairs[1]),
            comment: pair(pairs[2]),
            line_statement: prefix(&self.line_statement_prefix),
            line_comment: prefix(&self.line_comment_prefix),
            trim_blocks: self.trim_blocks,
            lstrip_blocks: self.lstrip_blocks,
            newline: self.newline_sequence.clone(),
            literal_escapes: self.literal_escapes,
        })
    }
}

/// What a text is, for [`Templater::check_syntax`] and [`Templater::references`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A YAML value that may hold templates.
    Text,
    /// A bare expression (`when`, `until`, …).
    Expression,
    /// A template file.
    File,
}

impl std::fmt::Debug for Templater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Templater")
    }
}

impl Templater {
    /// A templater that asks `host` for lookups and files.
    pub fn new(host: Arc<dyn Lookups>) -> Self {
        Self { host, texts: Default::default(), expressions: Cache::default(), files: RwLock::default() }
    }

    /// The value of a text from YAML. A text that is exactly one `{{ expression }}` keeps its type; several
    /// parts make a string. A text without templates comes back as it is.
    ///
    /// # Errors
    /// The text is no valid template, or its evaluation fails.
    pub fn render_str(&self, text: &str, scope: &Arc<dyn Scope>, options: &RenderOptions) -> Result<Value> {
        if !is_template(text) {
            return Ok(Value::from(text));
        }
        let program = self.compile_text(text, options.literal_escapes)?;
        nested(|| {
            let mut eval = Eval::new(self, scope, program.mutates);
            let settle = |value: Value| match options.lazy {
                true => variable(value, program.mutates),
                false => finalize(&value),
            };
            // the usual text is one `{{ }}`: no output to collect
            let value = match &program.body[..] {
                [Stmt::Emit(expr)] => {
                    let value = eval.expr(expr)?;
                    settle(value).map_err(|error| {
                        error.at(expr.place.line, expr.place.start as usize..expr.place.end as usize)
                    })?
                }
                _ => {
                    let mut out = Out::default();
                    eval.program(&program, &mut out)?;
                    settle(out.into_value())?
                }
            };
            Ok(match value.as_str() {
                Some(rendered) => match missing_newlines(text, rendered) {
                    0 => value,
                    missing => Value::from(format!("{rendered}{}", "\n".repeat(missing))),
                },
                None => value,
            })
        })
    }

    /// The value of a bare expression, as in `until:` or `failed_when:`.
    ///
    /// # Errors
    /// The expression is not valid, or its evaluation fails.
    pub fn eval(&self, expression: &str, scope: &Arc<dyn Scope>) -> Result<Value> {
        self.evaluate(expression, scope, Trust::Expression)
    }

    fn evaluate(&self, expression: &str, scope: &Arc<dyn Scope>, trust: Trust) -> Result<Value> {
        let bare = self.compile_expression(expression)?;
        nested(|| {
            let mut eval = Eval::new(self, scope, bare.mutates);
            eval.embedded = trust == Trust::Condition && bare.embedded;
            eval.no_lookups = trust == Trust::Found;
            let value = eval.expr(&bare.expr)?;
            finalize(&value).map_err(|error| {
                error.at(bare.expr.place.line, bare.expr.place.start as usize..bare.expr.place.end as usize)
            })
        })
    }

    /// The answer of a condition, as in `when:`. A text that is one `{{ }}` is rendered, and so are
    /// string literals that hold templates (both are discouraged, and both occur).
    ///
    /// # Errors
    /// As [`Templater::eval`], and when the result is not a boolean.
    pub fn eval_condition(&self, expression: &str, scope: &Arc<dyn Scope>) -> Result<bool> {
        let trimmed = expression.trim();
        let value = if is_whole_template(trimmed) {
            // what it yields may be a condition itself; where it came from nobody knows, so no lookups in it
            self.render_str(trimmed, scope, &RenderOptions::default()).and_then(|value| {
                match value.as_str() {
                    Some(text) => {
                        self.evaluate(text, scope, Trust::Found).map_err(TemplateError::without_place)
                    }
                    None => Ok(value),
                }
            })
        } else {
            self.evaluate(expression, scope, Trust::Condition)
        };
        let value = value.map_err(|mut error| {
            if !matches!(error.kind, ErrorKind::Syntax | ErrorKind::Unknown { .. }) {
                error.message = format!("Error while evaluating conditional: {}", error.message);
            }
            error
        })?;
        condition(&value)
    }

    /// Renders a template file to text. `name` is its path, used in messages. A `#jinja2:` header overrides
    /// `options`.
    ///
    /// # Errors
    /// The file (or one it includes) is no valid template, or its evaluation fails.
    pub fn render_file(
        &self,
        name: &str,
        source: &str,
        scope: &Arc<dyn Scope>,
        options: &FileOptions,
    ) -> Result<String> {
        let named = |mut error: TemplateError| {
            if error.template.is_none() {
                error.template = Some(name.to_owned());
            }
            error
        };
        // Jinja reads every kind of line end as a newline
        let source = if source.contains('\r') {
            Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n"))
        } else {
            Cow::Borrowed(source)
        };
        let newline = &options.newline_sequence;
        let compiled = self.compile_file(&source, options).map_err(named)?;
        let file = FileContext { search: &options.search, options: &compiled.options };
        let mut text = nested(|| {
            let mut eval = Eval::new(self, scope, compiled.program.mutates);
            eval.file = Some(file);
            let mut out = Out::sized(source.len());
            eval.program(&compiled.program, &mut out)?;
            out.into_text()
        })
        .map_err(named)?;
        if compiled.options.keep_trailing_newline {
            text.push_str(&newline.repeat(missing_newlines(&source, &text)));
        }
        Ok(text)
    }

    /// Is the text a valid template (or expression) whose filters and tests all exist? Evaluates nothing.
    ///
    /// # Errors
    /// It is not; the error carries the place within the text.
    pub fn check_syntax(&self, text: &str, kind: Kind) -> Result<()> {
        match kind {
            Kind::Text if !is_template(text) => Ok(()),
            Kind::Text => self.compile_text(text, true).map(|_| ()),
            Kind::Expression if is_whole_template(text.trim()) => self.compile_text(text, true).map(|_| ()),
            Kind::Expression => self.compile_expression(text).map(|_| ()),
            Kind::File => self.compile_file(text, &FileOptions::default()).map(|_| ()),
        }
    }

    /// The known filter that looks most like `name`.
    pub fn suggest_filter(&self, name: &str) -> Option<String> {
        crate::names::nearest(name, &crate::filters::names())
    }

    /// The known test that looks most like `name`.
    pub fn suggest_test(&self, name: &str) -> Option<String> {
        crate::names::nearest(name, &crate::tests::names())
    }

    /// The vault passwords of the run.
    pub fn vault(&self) -> &provision_vault::Keyring {
        self.host.vault()
    }

    pub(crate) fn host(&self) -> &dyn Lookups {
        &*self.host
    }

    pub(crate) fn compile_text(&self, text: &str, literal_escapes: bool) -> Result<Arc<Program>> {
        self.texts[usize::from(literal_escapes)]
            .get(text, || parse::program(text, &Syntax { literal_escapes, ..Syntax::default() }))
    }

    pub(crate) fn compile_expression(&self, text: &str) -> Result<Arc<Bare>> {
        self.expressions.get(text, || parse::expression(text))
    }

    pub(crate) fn compile_file(&self, source: &str, options: &FileOptions) -> Result<Arc<CompiledFile>> {
        let key = quick_hash(source.as_bytes());
        let known = |file: &&Arc<CompiledFile>| *file.source == *source && file.given.same_syntax(options);
        {
            let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = files.get(&key).and_then(|files| files.iter().find(known)) {
                return Ok(found.clone());
            }
        }
        let (body, own) = crate::header::split(source, options)?;
        let skipped = source.len() - body.len();
        let program = parse::program(body, &own.syntax()?).map_err(|mut error| {
            // places count from the start of the file, header included
            if skipped > 0 {
                error.line = error.line.map(|line| line + 1);
                error.range = error.range.clone().map(|range| range.start + skipped..range.end + skipped);
            }
            error
        })?;
        let compiled = Arc::new(CompiledFile {
            source: Box::from(source),
            given: FileOptions { search: Vec::new(), ..options.clone() },
            options: FileOptions { search: Vec::new(), ..own },
            program: Arc::new(program),
        });
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= CACHE_LIMIT {
            files.clear();
        }
        files.entry(key).or_default().push(compiled.clone());
        Ok(compiled)
    }
}

/// A template file in its compiled form.
pub(crate) struct CompiledFile {
    source: Box<str>,
    /// As asked for.
    given: FileOptions,
    /// With the overrides of its header.
    pub(crate) options: FileOptions,
    pub(crate) program: Arc<Program>,
}

/// A hash of many bytes at a time. Whoever uses it compares the bytes, too.
fn quick_hash(bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let hash = chunks.iter().fold(bytes.len() as u64, |hash, chunk| mix(hash, u64::from_le_bytes(*chunk)));
    rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}

fn condition(value: &Value) -> Result<bool> {
    match view(value) {
        View::Bool(flag) => Ok(flag),
        View::Marker(marker) => Err(marker.error()),
        _ => {
            let truth = crate::ops::truth(value)?;
            Err(TemplateError::runtime(format!(
                "Conditional result ({}) was derived from value of type '{}'. Conditionals must have a boolean result.",
                if truth { "True" } else { "False" },
                type_name(value)
            )))
        }
    }
}

/// Where an expression comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Written as an expression.
    Expression,
    /// Written as a condition: templates in its string literals are rendered.
    Condition,
    /// The value of some variable.
    Found,
}

/// How many newlines a result must get to end with as many as its template: Jinja drops the last one.
fn missing_newlines(template: &str, result: &str) -> usize {
    let count = |text: &str| text.len() - text.trim_end_matches('\n').len();
    count(template).saturating_sub(count(result))
}

/// Does the text hold a template?
pub fn is_template(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(2).any(|pair| pair[0] == b'{' && matches!(pair[1], b'{' | b'%' | b'#'))
}

/// From the first brace to the last one template, as conditions of old.
pub(crate) fn is_whole_template(text: &str) -> bool {
    (text.starts_with("{{") && text.ends_with("}}")) || (text.starts_with("{%") && text.ends_with("%}"))
}

thread_local! {
    static NESTING: Cell<usize> = const { Cell::new(0) };
}

/// One template inside another (a variable whose value is a template), with a limit.
fn nested<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    let depth = NESTING.get();
    if depth >= MAX_NESTING {
        return Err(TemplateError::new(
            ErrorKind::Recursion,
            format!("templates are nested more than {MAX_NESTING} levels deep"),
        ));
    }
    NESTING.set(depth + 1);
    let result = run();
    NESTING.set(depth);
    result
}

struct Cache<K, V>(RwLock<HashMap<K, Arc<V>>>);

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Hash + Eq, V> Cache<K, V> {
    fn get<Q>(&self, key: &Q, make: impl FnOnce() -> Result<V>) -> Result<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        for<'a> &'a Q: Into<K>,
    {
        if let Some(found) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(found.clone());
        }
        let made = Arc::new(make()?);
        let mut cache = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHE_LIMIT {
            cache.clear();
        }
        cache.insert(key.into(), made.clone());
        Ok(made)
    }
}
