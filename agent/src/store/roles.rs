//! Who may do what: the one table of roles and actions.

/// A person's role at the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Labels.
    Annotator,
    /// Decides what annotators cannot.
    Expert,
    /// An expert who leads the others.
    Lead,
    /// Guards the subjects' privacy; does not label.
    Steward,
    /// Manages people and their accounts; sees nothing of items.
    Admin,
    /// A program at the site, for what its users say.
    Application,
}

/// What a role may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sign in with a password, or by the site's identity provider.
    SignIn,
    /// Label items, asked or unasked, for oneself.
    Label,
    /// Settle an item by one's own label.
    Decide,
    /// Take single items and send them to the experts; see what is suspicious, item by item.
    Lead,
    /// See the figures of quality.
    SeeFigures,
    /// Ask what surrogates stand for.
    Reveal,
    /// Erase subjects and items.
    Erase,
    /// Manage people.
    ManagePeople,
    /// See how other programs of the site are connected, and what they lack.
    Connect,
    /// Send items, and what users say of them.
    SendItems,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Annotator, Self::Expert, Self::Lead, Self::Steward, Self::Admin, Self::Application];

    /// The table. Whatever asks for a role's rights asks here.
    fn actions(self) -> &'static [Action] {
        use Action::{
            Connect, Decide, Erase, Label, Lead, ManagePeople, Reveal, SeeFigures, SendItems,
            SignIn,
        };
        match self {
            Self::Annotator => &[SignIn, Label],
            Self::Expert => &[SignIn, Label, Decide],
            Self::Lead => &[SignIn, Label, Decide, Lead, SeeFigures],
            Self::Steward => &[SignIn, SeeFigures, Reveal, Erase, Connect],
            Self::Admin => &[SignIn, ManagePeople, Connect],
            Self::Application => &[SendItems],
        }
    }

    /// Whether the role allows the action.
    pub fn may(self, action: Action) -> bool {
        self.actions().contains(&action)
    }

    /// Whether people of this role label items, asked or unasked, for themselves.
    pub fn labels(self) -> bool {
        self.may(Action::Label)
    }

    /// Whether this person's label settles an item.
    pub fn is_expert(self) -> bool {
        self.may(Action::Decide)
    }

    /// Whether the role allows all that another one does.
    pub fn covers(self, other: Self) -> bool {
        other.actions().iter().all(|action| self.may(*action))
    }

    /// The role's name in commands and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Annotator => "annotator",
            Self::Expert => "expert",
            Self::Lead => "lead",
            Self::Steward => "steward",
            Self::Admin => "admin",
            Self::Application => "application",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `agent/README.md` has it.
    const MATRIX: &str = "
                annotator expert lead steward admin application
SignIn          yes       yes    yes  yes     yes   -
Label           yes       yes    yes  -       -     -
Decide          -         yes    yes  -       -     -
Lead            -         -      yes  -       -     -
SeeFigures      -         -      yes  yes     -     -
Reveal          -         -      -    yes     -     -
Erase           -         -      -    yes     -     -
ManagePeople    -         -      -    -       yes   -
Connect         -         -      -    yes     yes   -
SendItems       -         -      -    -       -     yes";

    /// Who reviews what is for annotators, experts and leads to review.
    #[test]
    fn a_review_is_for_whoever_may_do_all_that_its_role_may() {
        for (role, covered) in [
            (Role::Annotator, &[Role::Annotator][..]),
            (Role::Expert, &[Role::Annotator, Role::Expert]),
            (Role::Lead, &[Role::Annotator, Role::Expert, Role::Lead]),
            (Role::Steward, &[]),
            (Role::Admin, &[]),
            (Role::Application, &[]),
        ] {
            for other in [Role::Annotator, Role::Expert, Role::Lead] {
                assert_eq!(role.covers(other), covered.contains(&other), "{role:?} {other:?}");
            }
        }
    }

    #[test]
    fn every_role_may_what_the_matrix_says_and_nothing_else() {
        let mut lines = MATRIX.trim_start_matches('\n').lines();
        let roles: Vec<Role> = lines
            .next()
            .unwrap()
            .split_whitespace()
            .map(|name| Role::named(name).unwrap())
            .collect();
        assert_eq!(roles, Role::ALL);
        let actions = [
            Action::SignIn,
            Action::Label,
            Action::Decide,
            Action::Lead,
            Action::SeeFigures,
            Action::Reveal,
            Action::Erase,
            Action::ManagePeople,
            Action::Connect,
            Action::SendItems,
        ];
        for (line, action) in lines.zip(actions) {
            let mut cells = line.split_whitespace();
            assert_eq!(cells.next().unwrap(), format!("{action:?}"));
            for (cell, role) in cells.zip(&roles) {
                assert_eq!(role.may(action), cell == "yes", "{} {action:?}", role.name());
            }
        }
    }
}
