//! Operators and their operands, by precedence climbing.

use crate::logql::ast::{BinaryModifier, BinaryOp, LogExpr, MatchingGroup, MatchingLabels, MetricExpr, VectorMatching};
use crate::logql::error::ParseError;
use crate::logql::parser::rules::{self, Metric};
use crate::logql::parser::stages::UnwrapNext;
use crate::logql::parser::{Node, Parser};
use crate::logql::token::Kind;

/// Calls take more of the stack than operators.
const CALL_LEVELS: u32 = 3;

impl Parser<'_> {
    /// A whole expression.
    pub(super) fn expr(&mut self) -> Result<Node, ParseError> {
        self.operation(0)
    }

    /// An expression that must be a metric one.
    pub(super) fn metric(&mut self) -> Result<Metric, ParseError> {
        let node = self.operand()?;
        self.metric_after(node)
    }

    /// A metric expression whose first operand is read already.
    pub(super) fn metric_after(&mut self, first: Node) -> Result<Metric, ParseError> {
        match self.operation_after(first, 0)? {
            Node::Metric(metric) => Ok(metric),
            // whatever comes next, it had to be an operator
            Node::Log(_) | Node::Variants(_) => Err(self.cursor.unexpected(&[])),
        }
    }

    fn operation(&mut self, least: u8) -> Result<Node, ParseError> {
        let first = self.operand()?;
        self.operation_after(first, least)
    }

    /// Goes on while operators follow that bind at least as tight as `least`.
    fn operation_after(&mut self, mut left: Node, least: u8) -> Result<Node, ParseError> {
        let mut levels = 0;
        while let Some(op) = operator(self.cursor.peek()).filter(|op| op.precedence() >= least) {
            self.cursor.descend(1)?;
            levels += 1;
            let span = self.cursor.take().span;
            let modifier = self.modifier()?;
            let right = self.operation(op.precedence() + u8::from(!op.groups_right()))?;
            left = Node::Metric(rules::binary(op, left, right, modifier, span));
        }
        self.cursor.ascend(levels);
        Ok(left)
    }

    fn operand(&mut self) -> Result<Node, ParseError> {
        match self.cursor.peek() {
            Kind::OpenBrace => self.log_expr().map(Node::Log),
            Kind::OpenParen => {
                self.cursor.open_bracket()?;
                let node = self.expr()?;
                if matches!(node, Node::Variants(_)) {
                    return Err(self.cursor.unexpected(&[]));
                }
                self.cursor.close_bracket(&[])?;
                Ok(node)
            }
            Kind::Number | Kind::Add | Kind::Subtract => {
                let metric = match self.number_literal()? {
                    Ok(value) => Metric::Sound(MetricExpr::Literal(value)),
                    Err(error) => Metric::BadNumber(error),
                };
                Ok(Node::Metric(metric))
            }
            Kind::RangeOp(op) => self.call(|parser| parser.range_aggregation(op).map(Node::Metric)),
            Kind::VectorOp(op) => self.call(|parser| parser.vector_aggregation(op).map(Node::Metric)),
            Kind::LabelReplace => self.call(|parser| parser.label_replace().map(Node::Metric)),
            Kind::VectorOf => self.vector_of().map(Node::Metric),
            Kind::Variants => self.call(Parser::variants),
            _ => Err(self.cursor.unexpected(&[])),
        }
    }

    fn call(&mut self, parse: impl FnOnce(&mut Self) -> Result<Node, ParseError>) -> Result<Node, ParseError> {
        self.cursor.descend(CALL_LEVELS)?;
        let node = parse(self)?;
        self.cursor.ascend(CALL_LEVELS);
        Ok(node)
    }

    /// A selector with its stages.
    fn log_expr(&mut self) -> Result<LogExpr, ParseError> {
        let selector = self.selector()?;
        let mut stages = Vec::new();
        match self.stages(&mut stages)? {
            UnwrapNext::No => Ok(LogExpr { selector, stages }),
            // only ranges can be unwrapped
            UnwrapNext::Yes => Err(self.cursor.unexpected(&[])),
        }
    }

    /// `bool`, `on (…)`, `ignoring (…)`, `group_left (…)`, `group_right (…)` behind an operator.
    fn modifier(&mut self) -> Result<BinaryModifier, ParseError> {
        let returns_bool = self.cursor.accept(Kind::Bool);
        let on = match self.cursor.peek() {
            Kind::On => {
                self.cursor.take();
                MatchingLabels::On(self.label_list()?)
            }
            Kind::Ignoring => {
                self.cursor.take();
                MatchingLabels::Ignoring(self.label_list()?)
            }
            _ => return Ok(BinaryModifier { returns_bool, matching: None }),
        };
        let group = match self.cursor.peek() {
            Kind::GroupLeft => {
                self.cursor.take();
                MatchingGroup::ManyToOne(self.included_labels()?)
            }
            Kind::GroupRight => {
                self.cursor.take();
                MatchingGroup::OneToMany(self.included_labels()?)
            }
            _ => MatchingGroup::OneToOne,
        };
        let matching = VectorMatching { on, group };
        let plain = matching.on == MatchingLabels::Ignoring(Vec::new()) && matching.group == MatchingGroup::OneToOne;
        Ok(BinaryModifier { returns_bool, matching: (!plain).then_some(matching) })
    }

    /// The labels behind `group_left`, if a bracket follows. A bracket never begins the operand here.
    fn included_labels(&mut self) -> Result<Vec<String>, ParseError> {
        if self.cursor.peek() == Kind::OpenParen { self.label_list() } else { Ok(Vec::new()) }
    }
}

/// The operator that a token is.
fn operator(kind: Kind) -> Option<BinaryOp> {
    Some(match kind {
        Kind::Or => BinaryOp::Or,
        Kind::And => BinaryOp::And,
        Kind::Unless => BinaryOp::Unless,
        Kind::DoubleEqual => BinaryOp::Equal,
        Kind::NotEqual => BinaryOp::NotEqual,
        Kind::Greater => BinaryOp::Greater,
        Kind::GreaterOrEqual => BinaryOp::GreaterOrEqual,
        Kind::Less => BinaryOp::Less,
        Kind::LessOrEqual => BinaryOp::LessOrEqual,
        Kind::Add => BinaryOp::Add,
        Kind::Subtract => BinaryOp::Subtract,
        Kind::Multiply => BinaryOp::Multiply,
        Kind::Divide => BinaryOp::Divide,
        Kind::Modulo => BinaryOp::Modulo,
        Kind::Power => BinaryOp::Power,
        _ => return None,
    })
}
