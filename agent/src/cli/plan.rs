//! What the subjects' privacy has cost, and what more would cost.

use std::io::{self, Write};

use clap::Args;
use insitu_daemon::exit;
use insitu_privacy::Rho;
use insitu_protocol::ids::ProjectName;

use super::{Context, Failure, Outcome, print_json, table};
use crate::plan::{self, Plan, Precision, Question, Work};
use crate::release::YEAR_SECONDS;
use crate::status::Budget;
use crate::store::StoreError;
use crate::store::orders::ProjectRow;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  insitu-agent budget
  insitu-agent budget --plan --items 2000 --windows 12 --runs 2
  insitu-agent budget --plan --items 500 --sites 10 --windows 4 --campaigns 2 --json

A plan charges nothing. Its readings are what people would do at this site, with the stages of review that
[project.review] has, were the labels spread evenly over the classes. Its precision is what the coordinator's own
estimators say of themselves at the counts that are to be expected.")]
pub(super) struct BudgetArguments {
    /// For programs
    #[arg(long)]
    json: bool,
    /// Say what releases would cost, and what the coordinator would get for it
    #[arg(long)]
    plan: bool,
    /// The project; needed when there are several
    #[arg(long, requires = "plan")]
    project: Option<ProjectName>,
    /// Subjects with a corrected item in a window
    #[arg(long, requires = "plan", default_value_t = 1000)]
    items: u64,
    /// Share of items in which person and model agree
    #[arg(long, requires = "plan", default_value_t = 0.85)]
    agreement: f64,
    /// Sites whose releases are added
    #[arg(long, requires = "plan", default_value_t = 1)]
    sites: u32,
    /// Statistics windows in the next 365 days
    #[arg(long, requires = "plan", default_value_t = 1)]
    windows: u32,
    /// Campaigns in the next 365 days
    #[arg(long, requires = "plan", default_value_t = 0)]
    campaigns: u32,
    /// Training runs in the next 365 days
    #[arg(long, requires = "plan", default_value_t = 0)]
    runs: u32,
    /// Evaluations of new models in the next 365 days
    #[arg(long, requires = "plan", default_value_t = 0)]
    evaluations: u32,
}

pub(super) fn budget(context: &Context, arguments: &BudgetArguments) -> Outcome {
    if arguments.plan {
        return plan(context, arguments);
    }
    let now = context.now();
    let budget = context.store.read("budget", |tx| Budget::read(tx, &context.limits, now))?;
    if arguments.json {
        print_json(&budget)?;
        return Ok(exit::DONE);
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "spent in the last 365 days: ε {:.3} of {:.3} allowed (δ {:e})",
        budget.epsilon_spent, budget.epsilon_allowed, budget.delta
    )?;
    writeln!(
        out,
        "exactly: ρ {} of {}",
        Rho::from_nano(budget.nano_rho_spent),
        Rho::from_nano(budget.nano_rho_allowed)
    )?;
    writeln!(
        out,
        "were all other sites to collude in their sums: ε {:.3} of {:.3} allowed",
        budget.epsilon_local_spent, budget.epsilon_local_allowed
    )?;
    if let Some(renews) = budget.renews {
        writeln!(out, "the oldest charge falls out of the year on {renews}")?;
    }
    Ok(exit::DONE)
}

fn plan(context: &Context, arguments: &BudgetArguments) -> Outcome {
    if !(0.0..=1.0).contains(&arguments.agreement) {
        let text = format!("--agreement {} is not a share from 0 to 1", arguments.agreement);
        return Err(Failure::text(exit::USAGE, text));
    }
    let question = Question {
        items: arguments.items,
        agreement: arguments.agreement,
        sites: arguments.sites,
        windows: arguments.windows,
        campaigns: arguments.campaigns,
        runs: arguments.runs,
        evaluations: arguments.evaluations,
    };
    let row = project(context, arguments.project.as_ref())?;
    let year_ago = context.now().saturating_sub(YEAR_SECONDS);
    let (spent, stages) = context.store.read("spent", |tx| {
        let spent = if context.limits.allotments.contains_key(&row.definition.name) {
            tx.project_charged_since(&row.definition.name, year_ago)?
        } else {
            tx.charged_since(year_ago)?
        };
        Ok::<_, StoreError>((Rho::from_nano(spent), tx.review_stages(row.project)?))
    })?;
    let plan = plan::plan(&row.definition, &stages, &context.limits, spent, &question)
        .map_err(|error| Failure::refused(&error))?;
    if arguments.json {
        print_json(&plan)?;
    } else {
        print(&plan, &question)?;
    }
    Ok(exit::DONE)
}

fn project(context: &Context, name: Option<&ProjectName>) -> Result<ProjectRow, Failure> {
    let rows = context.store.read("projects", |tx| tx.projects())?;
    let known: Vec<&str> = rows.iter().map(|row| row.definition.name.as_str()).collect();
    let wanted = |row: &ProjectRow| name.is_none_or(|name| row.definition.name == *name);
    let hint = match (name, known.len()) {
        (None, 0) => "there is no project yet: the coordinator sends it after enrolling".to_owned(),
        (None, 1) | (Some(_), _) => {
            format!("there is no such project: there is {}", known.join(", "))
        }
        (None, _) => format!("say which project: --project, one of {}", known.join(", ")),
    };
    let mut matching = rows.into_iter().filter(wanted);
    match (matching.next(), matching.next()) {
        (Some(row), None) => Ok(row),
        _ => Err(Failure::text(exit::REFUSED, hint)),
    }
}

fn print(plan: &Plan, question: &Question) -> io::Result<()> {
    let rows: Vec<Vec<String>> = plan
        .costs
        .iter()
        .map(|cost| {
            vec![
                cost.what.to_owned(),
                cost.count.to_string(),
                format!("{:.3}", cost.epsilon_each),
                format!("{:.3}", cost.epsilon_limit),
            ]
        })
        .collect();
    table::print(&["", "planned", "ε of one", "limit"], &rows)?;
    let mut out = io::stdout().lock();
    let verdict = if plan.fits { "it fits" } else { "it does NOT fit" };
    writeln!(
        out,
        "\nall of it and what is spent: ε {:.3} of {:.3} in 365 days: {verdict}",
        plan.epsilon_total, plan.epsilon_allowed
    )?;
    writeln!(out, "windows that fit beside the rest: {}\n", plan.windows_that_fit)?;
    drop(out);
    let rows: Vec<Vec<String>> = plan
        .work
        .iter()
        .map(|Work { what, readings }| vec![what.clone(), readings.to_string()])
        .collect();
    table::print(&["for the labels of a window, at this site", "readings"], &rows)?;
    writeln!(io::stdout())?;
    let together = if question.sites > 1 {
        format!("95 % at {} sites", question.sites)
    } else {
        "95 %".to_owned()
    };
    let width = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |w| format!("±{w:.3}"));
    let rows: Vec<Vec<String>> = plan
        .precision
        .iter()
        .map(|Precision { what, noise, half_width, half_width_exact, refused }| {
            let known = refused.clone().unwrap_or_else(|| width(*half_width));
            vec![what.clone(), format!("{noise:.2}"), known, width(*half_width_exact)]
        })
        .collect();
    let heading = format!("from a window of {} subjects", question.items);
    table::print(&[&heading, "noise", &together, "without noise"], &rows)
}
