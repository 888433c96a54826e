//! Expressions over an item's fields, in a bounded part of the Common Expression Language (CEL).
//!
//! The language has no loops here: its macros over lists are not expanded, and what is left is
//! comparison, logic, arithmetic and a few functions on texts. So an expression's work is linear in
//! its own length and in the item's, both of which are bounded. Its types are checked before the
//! first item: numbers are compared with numbers, texts with texts.
//!
//! Source: *Common Expression Language: Language Definition* (cel-spec), of which the crate `cel`
//! is an implementation.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::CelDouble;
use cel::{Context, Env, Value};

use crate::cli::columns::{Column, Table, shown};

/// Longest expression, and deepest nesting.
const BYTES_MAX: usize = 4_096;
const DEPTH_MAX: u16 = 32;
/// Most nodes of the syntax tree: fields, constants, operators, functions.
const NODES_MAX: usize = 512;
/// Most additions: each may make a text as long as the item.
const ADDITIONS_MAX: usize = 16;
/// The object that has every field by its name, for names that are no identifiers.
const ITEM: &str = "item";

/// A parsed expression within its bounds.
#[derive(Debug)]
pub(super) struct Expression {
    root: IdedExpr,
    /// Names of the fields that it reads; the n-th is variable `$n` of the tree.
    fields: Vec<String>,
}

/// What a part of an expression is. A value that may be missing is of its field's type.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Truth,
    Missing,
    List(Box<Self>),
}

/// What an expression says of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Of an expression that is true or false.
    Truth(bool),
    /// Of an expression that names something.
    Text(String),
}

/// An expression with the columns of a table that it reads.
pub(super) struct Bound<'a> {
    expression: &'a Expression,
    columns: Vec<(String, &'a Column, Kind)>,
    context: Context<'static, 'static>,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        if source.len() > BYTES_MAX {
            return Err(format!(
                "is {} bytes long, more than the limit of {BYTES_MAX}",
                source.len()
            ));
        }
        let deepest = nesting(source);
        if deepest > usize::from(DEPTH_MAX) {
            return Err(format!("nests {deepest} brackets, more than the limit of {DEPTH_MAX}"));
        }
        let parse = || environment().parser().max_recursion_depth(2 * DEPTH_MAX).parse(source);
        let root = catch_unwind(parse)
            .map_err(|_| "cannot be read".to_owned())?
            .map_err(|errors| format!("is no expression: {}", first_line(&errors.to_string())))?;
        let mut reader = Reader { fields: Vec::new(), nodes: 0, additions: 0 };
        Ok(Self { root: reader.node(root, 0)?, fields: reader.fields })
    }

    /// The fields that it reads.
    pub(super) fn fields(&self) -> &[String] {
        &self.fields
    }

    /// The texts that it may say literally: `"a"` and `"b"` of `x > 1.0 ? "a" : "b"`.
    pub(super) fn literal_answers(&self) -> Vec<&str> {
        let (mut found, mut open) = (Vec::new(), vec![&self.root.expr]);
        while let Some(expr) = open.pop() {
            if let Expr::Literal(LiteralValue::String(text)) = expr {
                found.push(text.inner());
            } else if let Expr::Call(call) = expr
                && call.func_name == operators::CONDITIONAL
            {
                open.extend(call.args.iter().skip(1).map(|arg| &arg.expr));
            }
        }
        found
    }

    /// Binds it to a table's columns. It must be true or false, or a text where `names` says so.
    ///
    /// # Errors
    /// Where its types do not fit the columns, for people.
    pub(super) fn bind<'a>(
        &'a self,
        table: &Table,
        columns: &[&'a Column],
        names: bool,
    ) -> Result<Bound<'a>, String> {
        let kinds: Vec<Kind> = columns.iter().map(|column| kind_of(column, table.rows())).collect();
        let checker = Checker { fields: &self.fields, kinds: &kinds };
        let found = checker.check(&self.root)?;
        let wanted = if names { Kind::Text } else { Kind::Truth };
        if found != wanted {
            let wanted = if names { "a class" } else { "true or false" };
            return Err(format!("must say {wanted}, but says {}", found.name()));
        }
        let named = columns.iter().zip(kinds).enumerate();
        Ok(Bound {
            expression: self,
            columns: named.map(|(at, (column, kind))| (format!("${at}"), *column, kind)).collect(),
            context: Context::with_env(Arc::new(environment())),
        })
    }
}

impl Bound<'_> {
    /// What the expression says of a record; `None` where it says nothing, because a field is
    /// missing or a text is no number.
    pub(super) fn answer(&mut self, row: usize) -> Option<Answer> {
        for (name, column, kind) in &self.columns {
            let value = match (column.value(row), kind) {
                (None, _) => Value::Null,
                (Some(text), Kind::Number) => Value::Float(text.parse().ok()?),
                (Some(text), _) => Value::from(text),
            };
            self.context.add_variable_from_value(name.as_str(), value);
        }
        let resolve = || Value::resolve(&self.expression.root, &self.context);
        let value = catch_unwind(AssertUnwindSafe(resolve)).ok()?.ok()?;
        if let Value::Bool(truth) = value {
            return Some(Answer::Truth(truth));
        }
        let Value::String(text) = value else { return None };
        Some(Answer::Text(text.as_str().to_owned()))
    }
}

/// Operators and functions alone: no macros, no optional values.
fn environment() -> Env {
    Env::default().with_optional_support(false).with_stdlib()
}

/// Deepest nesting of brackets, and of choices: the parser recurses on them before it counts.
/// Brackets in a text count, too.
fn nesting(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' | b'?' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn first_line(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("ERROR: <input>:").unwrap_or(line)
}

/// The type of a column: of numbers, if every value is one.
fn kind_of(column: &Column, rows: usize) -> Kind {
    let number = |text: &str| text.parse().is_ok_and(f64::is_finite);
    let values = || (0..rows).filter_map(|row| column.value(row));
    match values().next() {
        None => Kind::Missing,
        Some(_) if values().all(number) => Kind::Number,
        Some(_) => Kind::Text,
    }
}

/// Takes a syntax tree into the bounded language: fields become variables by number, and all
/// numbers the same type.
struct Reader {
    fields: Vec<String>,
    nodes: usize,
    additions: usize,
}

impl Reader {
    fn node(&mut self, node: IdedExpr, depth: u16) -> Result<IdedExpr, String> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(format!("has more than {NODES_MAX} parts"));
        }
        if depth > DEPTH_MAX {
            return Err(format!("is nested more than {DEPTH_MAX} deep"));
        }
        let IdedExpr { id, expr } = node;
        let expr = match expr {
            Expr::Literal(literal) => Expr::Literal(literal_of(literal)?),
            Expr::List(mut list) => {
                for element in &mut list.elements {
                    *element = self.node(mem::take(element), depth + 1)?;
                }
                Expr::List(list)
            }
            Expr::Call(call) => self.call(id, call, depth)?,
            Expr::Ident(_) | Expr::Select(_) => match dotted(&expr) {
                Some(name) => self.field(name),
                None => return Err("has a dot that belongs to no field's name".to_owned()),
            },
            Expr::Map(_) | Expr::Struct(_) | Expr::Comprehension(_) | Expr::Unspecified => {
                return Err("has braces: there are no maps here".to_owned());
            }
        };
        Ok(IdedExpr { id, expr })
    }

    fn call(&mut self, id: u64, mut call: CallExpr, depth: u16) -> Result<Expr, String> {
        if call.func_name == operators::INDEX {
            return match (&call.args[..], &call.target) {
                ([of, at], None) => match (dotted(&of.expr).as_deref(), &at.expr) {
                    (Some(ITEM), Expr::Literal(LiteralValue::String(name))) => {
                        Ok(self.field(name.inner().to_owned()))
                    }
                    _ => Err("has brackets behind something else than item".to_owned()),
                },
                _ => Err("has brackets out of place".to_owned()),
            };
        }
        if !is_known(&call) {
            return Err(format!(
                "calls {}, which is not one of: size, contains, startsWith, endsWith, string, double",
                shown(&call.func_name)
            ));
        }
        self.additions += usize::from(call.func_name == operators::ADD);
        if self.additions > ADDITIONS_MAX {
            return Err(format!("has more than {ADDITIONS_MAX} additions"));
        }
        if let Some(target) = &mut call.target {
            **target = self.node(mem::take(target), depth + 1)?;
        }
        for argument in &mut call.args {
            *argument = self.node(mem::take(argument), depth + 1)?;
        }
        if call.func_name != "size" {
            return Ok(Expr::Call(call));
        }
        let count = IdedExpr { id, expr: Expr::Call(call) };
        let args = vec![count];
        Ok(Expr::Call(CallExpr { func_name: "double".to_owned(), target: None, args }))
    }

    fn field(&mut self, name: String) -> Expr {
        let at = self.fields.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.fields.push(name);
            self.fields.len() - 1
        });
        Expr::Ident(format!("${at}"))
    }
}

/// `a.b.c`, as a field of a JSON line is named.
fn dotted(expr: &Expr) -> Option<String> {
    if let Expr::Ident(name) = expr {
        return Some(name.strip_prefix('.').unwrap_or(name).to_owned());
    }
    let Expr::Select(select) = expr else { return None };
    let of = (!select.test).then(|| dotted(&select.operand.expr))??;
    Some(format!("{of}.{}", select.field))
}

#[expect(clippy::cast_precision_loss, reason = "a number as people write it")]
fn literal_of(literal: LiteralValue) -> Result<LiteralValue, String> {
    Ok(match literal {
        LiteralValue::Int(int) => LiteralValue::Double(CelDouble::from(*int.inner() as f64)),
        LiteralValue::UInt(int) => LiteralValue::Double(CelDouble::from(*int.inner() as f64)),
        LiteralValue::Bytes(_) => return Err("has bytes, which no field holds".to_owned()),
        LiteralValue::Boolean(_)
        | LiteralValue::Double(_)
        | LiteralValue::String(_)
        | LiteralValue::Null => literal,
    })
}

/// Whether the language has this operator or function with so many operands.
fn is_known(call: &CallExpr) -> bool {
    let operands = call.args.len() + usize::from(call.target.is_some());
    match (call.func_name.as_str(), call.target.is_some()) {
        (operators::LOGICAL_AND | operators::LOGICAL_OR, false) => operands >= 2,
        (operators::CONDITIONAL, false) => operands == 3,
        (operators::LOGICAL_NOT | operators::NEGATE | "string" | "double", false) => operands == 1,
        ("size", _) => operands == 1,
        ("contains" | "startsWith" | "endsWith", true) => operands == 2,
        (name, false) => is_comparison(name) || is_arithmetic(name),
        _ => false,
    }
}

fn is_comparison(name: &str) -> bool {
    let all = [
        operators::EQUALS,
        operators::NOT_EQUALS,
        operators::GREATER_EQUALS,
        operators::LESS_EQUALS,
        operators::GREATER,
        operators::LESS,
        operators::IN,
    ];
    all.contains(&name)
}

fn is_arithmetic(name: &str) -> bool {
    [operators::ADD, operators::SUBSTRACT, operators::MULTIPLY, operators::DIVIDE].contains(&name)
}

/// Finds the type of every part, given those of the fields.
struct Checker<'a> {
    fields: &'a [String],
    kinds: &'a [Kind],
}

impl Checker<'_> {
    fn check(&self, node: &IdedExpr) -> Result<Kind, String> {
        match &node.expr {
            Expr::Literal(LiteralValue::Boolean(_)) => Ok(Kind::Truth),
            Expr::Literal(LiteralValue::String(_)) => Ok(Kind::Text),
            Expr::Literal(LiteralValue::Null) => Ok(Kind::Missing),
            Expr::Literal(_) => Ok(Kind::Number),
            Expr::Ident(name) => {
                let at: Option<usize> = name.strip_prefix('$').and_then(|at| at.parse().ok());
                Ok(at.and_then(|at| self.kinds.get(at)).cloned().unwrap_or(Kind::Missing))
            }
            Expr::List(list) => {
                let mut kind = Kind::Missing;
                for element in &list.elements {
                    kind = self.same(kind, element, "a list's members")?;
                }
                Ok(Kind::List(Box::new(kind)))
            }
            Expr::Call(call) => {
                let operands: Vec<&IdedExpr> =
                    call.target.as_deref().into_iter().chain(&call.args).collect();
                self.call(&call.func_name, &operands)
            }
            Expr::Unspecified
            | Expr::Comprehension(_)
            | Expr::Map(_)
            | Expr::Select(_)
            | Expr::Struct(_) => Err("is not of this language".to_owned()),
        }
    }

    fn call(&self, name: &str, operands: &[&IdedExpr]) -> Result<Kind, String> {
        let all =
            |kind: Kind| operands.iter().try_for_each(|operand| self.is(operand, &kind, name));
        match (name, operands) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, _) => {
                all(Kind::Truth).map(|()| Kind::Truth)
            }
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.is(condition, &Kind::Truth, name)?;
                self.same(self.check(yes)?, no, "both sides of a choice")
            }
            (operators::IN, [member, list]) => match self.check(list)? {
                Kind::List(kind) => self
                    .same(*kind, member, "a list's members and what is sought")
                    .map(|_| Kind::Truth),
                other @ (Kind::Number | Kind::Text | Kind::Truth | Kind::Missing) => {
                    Err(format!("seeks in {}; `in` takes a list", other.name()))
                }
            },
            (operators::ADD, [first, _]) => {
                let text = self.check(first)? == Kind::Text;
                let kind = if text { Kind::Text } else { Kind::Number };
                all(kind.clone()).map(|()| kind)
            }
            (operators::EQUALS | operators::NOT_EQUALS, [first, second]) => {
                self.same(self.check(first)?, second, "what is compared").map(|_| Kind::Truth)
            }
            (name, [first, second]) if is_comparison(name) => {
                match self.same(self.check(first)?, second, "what is compared")? {
                    Kind::Number | Kind::Text | Kind::Missing => Ok(Kind::Truth),
                    other @ (Kind::Truth | Kind::List(_)) => {
                        Err(format!("says which of {} is greater", other.name()))
                    }
                }
            }
            ("contains" | "startsWith" | "endsWith", _) => all(Kind::Text).map(|()| Kind::Truth),
            ("size", [of]) => match self.check(of)? {
                Kind::Text | Kind::List(_) | Kind::Missing => Ok(Kind::Number),
                other @ (Kind::Number | Kind::Truth) => {
                    Err(format!("takes the size of {}", other.name()))
                }
            },
            ("string", [of]) => self.simple(of).map(|()| Kind::Text),
            // A count, made a number like every other.
            ("double", [of]) if is_count(of) => self.check(of),
            ("double", [of]) => self.simple(of).map(|()| Kind::Number),
            _ => all(Kind::Number).map(|()| Kind::Number),
        }
    }

    /// A number or a text.
    fn simple(&self, node: &IdedExpr) -> Result<(), String> {
        match self.check(node)? {
            Kind::Number | Kind::Text | Kind::Missing => Ok(()),
            other @ (Kind::Truth | Kind::List(_)) => Err(format!("converts {}", other.name())),
        }
    }

    fn is(&self, node: &IdedExpr, wanted: &Kind, by: &str) -> Result<(), String> {
        let found = self.check(node)?;
        if found == *wanted || found == Kind::Missing {
            return Ok(());
        }
        let by = by.trim_matches(['_', '@']);
        let (part, found, wanted) = (self.part(node), found.name(), wanted.name());
        Err(format!("has {part} {found} where {by:?} takes {wanted}"))
    }

    /// The type of both, one of which may be missing.
    fn same(&self, kind: Kind, node: &IdedExpr, what: &str) -> Result<Kind, String> {
        match (kind, self.check(node)?) {
            (kind, Kind::Missing) => Ok(kind),
            (Kind::Missing, kind) => Ok(kind),
            (kind, other) if kind == other => Ok(kind),
            (kind, other) => Err(format!(
                "has {} and {} as {what}{}; string(…) and double(…) convert",
                kind.name(),
                other.name(),
                self.hint(),
            )),
        }
    }

    /// Which field holds what, for an error.
    fn hint(&self) -> String {
        let field =
            |(name, kind): (&String, &Kind)| format!("{} holds {}", shown(name), kind.name());
        let fields: Vec<String> = self.fields.iter().zip(self.kinds).map(field).collect();
        if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) }
    }

    fn part(&self, node: &IdedExpr) -> String {
        let at = if let Expr::Ident(name) = &node.expr {
            name.strip_prefix('$').and_then(|at| at.parse::<usize>().ok())
        } else {
            None
        };
        match at.and_then(|at| self.fields.get(at)) {
            Some(name) => format!("the field {} of", shown(name)),
            None => "a part that is".to_owned(),
        }
    }
}

fn is_count(node: &IdedExpr) -> bool {
    matches!(&node.expr, Expr::Call(call) if call.func_name == "size")
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Number => "numbers",
            Self::Text => "texts",
            Self::Truth => "true or false",
            Self::Missing => "nothing",
            Self::List(_) => "a list",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::columns::parse;

    const ITEMS: &str = "{\"age\": 61, \"thal\": \"7\", \"text\": \"Chest pain at rest\", \
                         \"chest-pain\": 3, \"p\": {\"sick\": 0.75}}\n\
                         {\"age\": 40, \"thal\": \"x\", \"p\": {\"sick\": 0.25}}\n";

    /// What an expression says of both items.
    fn answers(source: &str, names: bool) -> Result<Vec<Option<Answer>>, String> {
        let table = parse(ITEMS.as_bytes(), "items".to_owned()).unwrap();
        let expression = Expression::parse(source)?;
        let column = |name: &String| table.need(Some(name), &[]).map_err(|error| error.to_string());
        let columns =
            expression.fields().iter().map(column).collect::<Result<Vec<&Column>, String>>()?;
        let mut bound = expression.bind(&table, &columns, names)?;
        Ok((0..table.rows()).map(|row| bound.answer(row)).collect())
    }

    #[track_caller]
    fn says(source: &str, expected: [Option<bool>; 2]) {
        let found = answers(source, false).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(found, expected.map(|truth| truth.map(Answer::Truth)), "{source}");
    }

    #[test]
    fn fields_are_compared() {
        says("age >= 60", [Some(true), Some(false)]);
        says("age == 61 && thal == '7'", [Some(true), Some(false)]);
        says("thal in ['7', 'x'] && !(age in [1, 61.0])", [Some(false), Some(true)]);
        says("p.sick * 100 - age > 10 - 1", [Some(true), Some(false)]);
        says("item['chest-pain'] == 3", [Some(true), Some(false)]);
        says("size(thal) == 1 && text.contains('pain')", [Some(true), None]);
        says("string(age) == '61' || age < 50", [Some(true), Some(true)]);
        says("double(thal) > 6", [Some(true), None]);
        says("text == null", [Some(false), Some(true)]);
        says(
            "text != null && text.startsWith('Chest') && text.endsWith('rest')",
            [Some(true), Some(false)],
        );
        says("age / 0 > 5", [Some(true), Some(true)]); // infinite, as in IEEE 754
        says("(age > 50 ? p.sick : 1 - p.sick) == 0.75", [Some(true), Some(true)]);
    }

    #[test]
    fn an_expression_may_name_a_class() {
        let found = answers("age > 60 ? 'old' : ''", true).unwrap();
        let text = |text: &str| Some(Answer::Text(text.to_owned()));
        assert_eq!(found, [text("old"), text("")]);
        let literal = Expression::parse("a > 1 ? 'x' : b > 1 ? 'y' : 'z'").unwrap();
        let mut literal = literal.literal_answers();
        literal.sort_unstable();
        assert_eq!(literal, ["x", "y", "z"]);
        assert_eq!(
            answers("age > 1", true).unwrap_err(),
            "must say a class, but says true or false"
        );
    }

    #[track_caller]
    fn refused(source: &str, expected: &str) {
        let error = answers(source, false).expect_err(source);
        assert!(error.contains(expected), "{source}: {error}");
    }

    #[test]
    fn what_does_not_fit_is_refused_before_the_first_item() {
        refused("age >", "is no expression: 1:");
        refused("", "is no expression");
        refused("pulse > 3", "there is no column pulse; the columns are \"age\"");
        refused("age == 'x'", "has numbers and texts as what is compared (\"age\" holds numbers)");
        refused("thal > 5", "string(…) and double(…) convert");
        refused("age + 'x' == 'y'", "has a part that is texts where \"+\" takes numbers");
        refused("text.contains(age)", "has the field \"age\" of numbers");
        refused("age", "must say true or false, but says numbers");
        refused("age > 3 && thal", "has the field \"thal\" of texts");
        refused("size(age) > 1", "takes the size of numbers");
        refused("age in 'x'", "seeks in texts");
        for call in ["[1].all(x, x > 0)", "has(p.sick)", "text.matches('a')", "int(age) > 1"] {
            refused(call, "calls ");
        }
        refused("text.replicate(9) == ''", "calls \"replicate\"");
        refused("{'a': age} == {}", "there are no maps here");
        refused("[age][0] > 1", "has brackets behind something else than item");
        refused("(age + 1).x > 1", "has a dot that belongs to no field's name");
    }

    #[test]
    fn an_expression_is_bounded_in_every_direction() {
        refused(&format!("age > 1 || {}", "x".repeat(BYTES_MAX)), "more than the limit of 4096");
        refused(&format!("{}age{} > 1", "(".repeat(40), ")".repeat(40)), "nests 40 brackets");
        says(&format!("{}true", "!".repeat(2_000)), [Some(true), Some(true)]);
        refused(&format!("age{} > 1", " - age".repeat(500)), "");
        refused(&format!("age in [{}]", "1,".repeat(600)), "");
        refused(&format!("text{} == ''", " + text".repeat(17)), "more than 16 additions");
        refused(&format!("a{}", ".a".repeat(1_500)), "");
    }
}
