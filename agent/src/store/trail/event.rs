//! The audit log's words: who did what, to which item or subject.

use std::fmt;

use serde_json::Value as Json;

use crate::store::labels::Person;

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// A person's role, `operator`, `provider`, or `agent`.
    pub role: &'static str,
    /// A person's name, that of an operator's account, or the identity provider's; nothing for the
    /// agent.
    pub name: String,
}

impl Who {
    /// The program itself.
    pub fn agent() -> Self {
        Self { role: "agent", name: String::new() }
    }

    /// Whoever runs a command: an account of the operating system.
    pub fn operator(account: impl Into<String>) -> Self {
        Self { role: "operator", name: account.into() }
    }

    /// The site's identity provider.
    pub fn provider(issuer: impl Into<String>) -> Self {
        Self { role: "provider", name: issuer.into() }
    }
}

impl From<&Person> for Who {
    fn from(person: &Person) -> Self {
        Self { role: person.role.name(), name: person.name.clone() }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The daemon started.
    Started,
    /// The daemon stopped.
    Stopped,
    /// What the configuration file says has changed, or a setting in the store.
    Settings,
    /// Items were imported.
    Imported,
    /// An item's content was given to somebody.
    Seen,
    /// An item got a label.
    Labeled,
    /// An item got its deciding label.
    Adjudicated,
    /// Somebody passed over an item.
    Skipped,
    /// Somebody sent an item to the experts.
    Flagged,
    /// A label, a flag or a skip was taken back.
    Undone,
    /// An item became gold.
    Gold,
    /// A model, a campaign, a peer's key or a set of labeling functions was approved.
    Approved,
    /// The same was declined.
    Declined,
    /// A dataset snapshot was written.
    Exported,
    /// Somebody asked what a surrogate stands for.
    Revealed,
    /// Somebody looked at the items that could not be redacted.
    Quarantine,
    /// A person or an application was added.
    PersonAdded,
    /// A person's role, terms or credentials changed.
    PersonChanged,
    /// A person was removed.
    PersonRemoved,
    /// Somebody signed in.
    SignedIn,
    /// Somebody signed out, or was signed out by somebody else.
    SignedOut,
    /// Sign-ins were refused: how many, since the log last said so.
    SignInRefused,
    /// An item or a subject was erased.
    Erased,
    /// A subject that was erased may be imported again.
    Allowed,
    /// A report of this log was made.
    Reported,
    /// Old rows of this log were cut off.
    Cut,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::Started,
        Self::Stopped,
        Self::Settings,
        Self::Imported,
        Self::Seen,
        Self::Labeled,
        Self::Adjudicated,
        Self::Skipped,
        Self::Flagged,
        Self::Undone,
        Self::Gold,
        Self::Approved,
        Self::Declined,
        Self::Exported,
        Self::Revealed,
        Self::Quarantine,
        Self::PersonAdded,
        Self::PersonChanged,
        Self::PersonRemoved,
        Self::SignedIn,
        Self::SignedOut,
        Self::SignInRefused,
        Self::Erased,
        Self::Allowed,
        Self::Reported,
        Self::Cut,
    ];

    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Settings => "settings",
            Self::Imported => "imported",
            Self::Seen => "seen",
            Self::Labeled => "labeled",
            Self::Adjudicated => "adjudicated",
            Self::Skipped => "skipped",
            Self::Flagged => "flagged",
            Self::Undone => "undone",
            Self::Gold => "gold",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Exported => "exported",
            Self::Revealed => "revealed",
            Self::Quarantine => "quarantine",
            Self::PersonAdded => "person-added",
            Self::PersonChanged => "person-changed",
            Self::PersonRemoved => "person-removed",
            Self::SignedIn => "signed-in",
            Self::SignedOut => "signed-out",
            Self::SignInRefused => "sign-in-refused",
            Self::Erased => "erased",
            Self::Allowed => "allowed",
            Self::Reported => "reported",
            Self::Cut => "cut",
        }
    }

    /// What has this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.name() == name)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something to note. Whoever opened the store did it, unless somebody else is named.
#[derive(Debug)]
pub struct Event<'a> {
    pub(super) what: What,
    pub(super) who: Option<Who>,
    pub(super) project: Option<&'a str>,
    pub(super) item: Option<[u8; 16]>,
    pub(super) subject: Option<[u8; 32]>,
    pub(super) detail: Json,
}

impl<'a> Event<'a> {
    /// This was done.
    pub fn new(what: What) -> Self {
        Self { what, who: None, project: None, item: None, subject: None, detail: Json::Null }
    }

    /// By somebody.
    #[must_use]
    pub fn by(self, who: impl Into<Who>) -> Self {
        Self { who: Some(who.into()), ..self }
    }

    /// In a project.
    #[must_use]
    pub fn of(self, project: &'a str) -> Self {
        Self { project: Some(project), ..self }
    }

    /// To an item.
    #[must_use]
    pub fn on(self, item: [u8; 16]) -> Self {
        Self { item: Some(item), ..self }
    }

    /// To everything of a subject.
    #[must_use]
    pub fn about(self, subject: [u8; 32]) -> Self {
        Self { subject: Some(subject), ..self }
    }

    /// With more to be said: nothing that came from an item.
    #[must_use]
    pub fn with(self, detail: Json) -> Self {
        Self { detail, ..self }
    }
}
