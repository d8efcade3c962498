//! The words that a system declares: roles and resources, its own and those of the systems inside it, by group.
//!
//! A system states its words without a group. Who contains it names the group with a [`Part`]; the outermost group is
//! named after the system. People write `raft.leader`, or `leader` where one group alone has such a role.

use crate::system::System;

/// A role that nodes report, for selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name: `leader`.
    pub name: &'static str,
    /// Whether there should be one node in this role: of several live nodes in it the one with the highest rank counts,
    /// and what happens to that node is counted by name (`leader crashed`).
    pub is_ranked: bool,
}

impl Role {
    /// A role in which there should be one node.
    pub const fn ranked(name: &'static str) -> Self {
        Self { name, is_ranked: true }
    }

    /// A role that any number of nodes may have.
    pub const fn plain(name: &'static str) -> Self {
        Self { name, is_ranked: false }
    }
}

/// The words of a system inside another one.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The group: the [`Embedding::GROUP`](crate::embedding::Embedding::GROUP) of its node.
    pub group: &'static str,
    /// Its roles.
    pub roles: &'static [Role],
    /// Its kinds of resource.
    pub resources: &'static [&'static str],
    /// The systems inside it.
    pub parts: &'static [Self],
}

impl Part {
    /// The words of `S`, under this group.
    pub const fn of<S: System>(group: &'static str) -> Self {
        Self { group, roles: S::ROLES, resources: S::RESOURCES, parts: S::PARTS }
    }
}

/// The number of a role in the [`Vocabulary`] of a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleId(pub usize);

/// The number of a kind of resource in the [`Vocabulary`] of a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceId(pub usize);

/// All words of a system and of the systems inside it.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    groups: Vec<&'static str>,
    roles: Vec<(usize, Role)>,
    resources: Vec<(usize, &'static str)>,
}

/// Why a word stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WordError {
    /// Nothing is called so.
    Unknown,
    /// Several groups have it: what each calls it.
    Ambiguous(Vec<String>),
}

/// What can happen to the node that counts in a ranked role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// It crashed.
    Crashed,
    /// It was paused.
    Paused,
    /// It was left without a majority that it can both hear and reach.
    CutOff,
}

impl Incident {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::CutOff, Self::Crashed, Self::Paused];

    /// What follows the name of the role.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::Paused => "paused",
            Self::CutOff => "cut off",
        }
    }

    /// What it means, in one sentence.
    pub const fn doc(self) -> &'static str {
        match self {
            Self::Crashed => "the node that counts in this role crashed",
            Self::Paused => "the node that counts in this role was paused",
            Self::CutOff => {
                "a fault left the node that counts in this role without a majority that it can both hear \
                             and reach"
            }
        }
    }
}

impl Vocabulary {
    /// The words of `S`.
    ///
    /// # Panics
    /// Where two of its groups have the same name.
    pub fn of<S: System>() -> Self {
        Self::new(Part::of::<S>(S::NAME))
    }

    /// The words of this outermost part.
    ///
    /// # Panics
    /// Where two of its groups have the same name.
    pub fn new(part: Part) -> Self {
        let mut all = Self { groups: Vec::new(), roles: Vec::new(), resources: Vec::new() };
        all.add(part);
        all
    }

    /// No words, for what is read before the system is known.
    pub const fn empty() -> Self {
        Self { groups: Vec::new(), roles: Vec::new(), resources: Vec::new() }
    }

    fn add(&mut self, part: Part) {
        let group = self.groups.len();
        assert!(!self.groups.contains(&part.group), "two parts of a system have the group {}", part.group);
        self.groups.push(part.group);
        self.roles.extend(part.roles.iter().map(|role| (group, *role)));
        self.resources.extend(part.resources.iter().map(|resource| (group, *resource)));
        part.parts.iter().for_each(|part| self.add(*part));
    }

    /// How many groups.
    pub const fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// All roles, group by group.
    pub fn roles(&self) -> impl Iterator<Item = RoleId> + use<> {
        (0..self.roles.len()).map(RoleId)
    }

    /// The roles in which there should be one node.
    pub fn ranked(&self) -> impl Iterator<Item = RoleId> {
        self.roles().filter(|role| self.role(*role).is_ranked)
    }

    /// All kinds of resource, group by group.
    pub fn resources(&self) -> impl Iterator<Item = ResourceId> + use<> {
        (0..self.resources.len()).map(ResourceId)
    }

    /// A role.
    pub fn role(&self, role: RoleId) -> Role {
        self.roles[role.0].1
    }

    /// The number of a role's group.
    pub fn group_of(&self, role: RoleId) -> usize {
        self.roles[role.0].0
    }

    /// What people call a role: `leader`, or `raft.leader` where another group has a role of that name.
    pub fn role_name(&self, role: RoleId) -> String {
        let (group, role) = self.roles[role.0];
        self.name(group, role.name, self.roles.iter().filter(|(_, other)| other.name == role.name).count())
    }

    /// What people call a kind of resource.
    pub fn resource_name(&self, resource: ResourceId) -> String {
        let (group, name) = self.resources[resource.0];
        self.name(group, name, self.resources.iter().filter(|(_, other)| *other == name).count())
    }

    fn name(&self, group: usize, name: &str, count: usize) -> String {
        if count > 1 { format!("{}.{name}", self.groups[group]) } else { name.to_owned() }
    }

    /// Every word that stands for a role: short where it is clear, and with the group where there are several groups.
    pub fn role_words(&self) -> Vec<String> {
        let full = |role: RoleId| format!("{}.{}", self.groups[self.group_of(role)], self.role(role).name);
        self.words(self.roles().map(|role| (self.role_name(role), full(role))))
    }

    /// Every word that stands for a kind of resource.
    pub fn resource_words(&self) -> Vec<String> {
        let full =
            |ResourceId(at): ResourceId| format!("{}.{}", self.groups[self.resources[at].0], self.resources[at].1);
        self.words(self.resources().map(|resource| (self.resource_name(resource), full(resource))))
    }

    fn words(&self, names: impl Iterator<Item = (String, String)>) -> Vec<String> {
        let mut words = Vec::new();
        for (name, full) in names {
            let has_full = self.groups.len() > 1 && name != full;
            words.push(name);
            words.extend(has_full.then_some(full));
        }
        words
    }

    /// The role that this word stands for: `leader` or `raft.leader`.
    ///
    /// # Errors
    /// A word that stands for no role, or for several.
    pub fn find_role(&self, word: &str) -> Result<RoleId, WordError> {
        let all = self.roles().map(|role| (role, self.group_of(role), self.role(role).name));
        self.find(word, all, |role| self.role_name(role))
    }

    /// The kind of resource that this word stands for: `lock` or `session.lock`.
    ///
    /// # Errors
    /// A word that stands for no kind of resource, or for several.
    pub fn find_resource(&self, word: &str) -> Result<ResourceId, WordError> {
        let all =
            self.resources().map(|resource| (resource, self.resources[resource.0].0, self.resources[resource.0].1));
        self.find(word, all, |resource| self.resource_name(resource))
    }

    fn find<I: Copy>(
        &self,
        word: &str,
        all: impl Iterator<Item = (I, usize, &'static str)>,
        name_of: impl Fn(I) -> String,
    ) -> Result<I, WordError> {
        let fits = |group: usize, name: &str| match word.split_once('.') {
            Some((of, short)) => of == self.groups[group] && short == name,
            None => word == name,
        };
        let found: Vec<I> = all.filter(|(_, group, name)| fits(*group, name)).map(|(id, _, _)| id).collect();
        match found.as_slice() {
            [] => Err(WordError::Unknown),
            [one] => Ok(*one),
            several => Err(WordError::Ambiguous(several.iter().map(|one| name_of(*one)).collect())),
        }
    }

    /// The role that a node of this group reports; the outermost group where `group` is empty.
    pub(crate) fn reported_role(&self, group: &str, name: &str) -> Option<RoleId> {
        let group = self.group(group)?;
        self.roles.iter().position(|(of, role)| *of == group && role.name == name).map(RoleId)
    }

    /// The kind of resource that a node of this group reports; the outermost group where `group` is empty.
    pub(crate) fn reported_resource(&self, group: &str, name: &str) -> Option<ResourceId> {
        let group = self.group(group)?;
        self.resources.iter().position(|(of, resource)| *of == group && *resource == name).map(ResourceId)
    }

    fn group(&self, name: &str) -> Option<usize> {
        if name.is_empty() { Some(0) } else { self.groups.iter().position(|group| *group == name) }
    }

    /// What a run counts of the nodes in ranked roles: `leader cut off`, with what it means.
    pub fn incidents(&self) -> impl Iterator<Item = (String, &'static str)> {
        self.ranked().flat_map(|role| {
            let name = self.role_name(role);
            Incident::ALL.map(|incident| (format!("{name} {}", incident.name()), incident.doc()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: Part = Part {
        group: "raft",
        roles: &[Role::ranked("leader"), Role::plain("follower")],
        resources: &["lock"],
        parts: &[],
    };
    const OUTER: Part = Part {
        group: "session",
        roles: &[Role::ranked("master"), Role::plain("follower")],
        resources: &["session", "lock"],
        parts: &[INNER],
    };

    #[test]
    fn a_short_word_serves_where_one_group_has_it() {
        let words = Vocabulary::new(OUTER);
        let name = |word: &str| words.find_role(word).map(|role| words.role_name(role));
        assert_eq!(name("leader"), Ok("leader".to_owned()));
        assert_eq!(name("raft.leader"), Ok("leader".to_owned()));
        assert_eq!(name("session.follower"), Ok("session.follower".to_owned()));
        assert_eq!(name("session.leader"), Err(WordError::Unknown));
        let both = vec!["session.follower".to_owned(), "raft.follower".to_owned()];
        assert_eq!(name("follower"), Err(WordError::Ambiguous(both)));
    }

    #[test]
    fn resources_belong_to_groups_too() {
        let words = Vocabulary::new(OUTER);
        let name = |word: &str| words.find_resource(word).map(|resource| words.resource_name(resource));
        assert_eq!(name("session"), Ok("session".to_owned()));
        assert_eq!(name("raft.lock"), Ok("raft.lock".to_owned()));
        assert!(matches!(name("lock"), Err(WordError::Ambiguous(_))));
        assert_eq!(words.resource_words(), ["session", "session.session", "session.lock", "raft.lock"]);
    }

    #[test]
    fn a_system_of_one_group_has_short_words() {
        let words = Vocabulary::new(INNER);
        assert_eq!(words.role_words(), ["leader", "follower"]);
        assert_eq!(words.find_role("raft.leader"), words.find_role("leader"));
        let incidents: Vec<String> = words.incidents().map(|(name, _)| name).collect();
        assert_eq!(incidents, ["leader cut off", "leader crashed", "leader paused"]);
    }

    #[test]
    fn a_node_reports_for_its_own_group() {
        let words = Vocabulary::new(OUTER);
        assert_eq!(words.reported_role("", "follower"), words.find_role("session.follower").ok());
        assert_eq!(words.reported_role("raft", "follower"), words.find_role("raft.follower").ok());
        assert_eq!(words.reported_role("raft", "master"), None);
        assert_eq!(words.reported_resource("raft", "lock"), words.find_resource("raft.lock").ok());
    }

    #[test]
    #[should_panic(expected = "two parts of a system have the group raft")]
    fn two_groups_of_one_name_are_refused() {
        let _ = Vocabulary::new(Part { parts: &[INNER, INNER], ..OUTER });
    }
}
