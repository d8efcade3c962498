//! `section!` and `keys!`: the keys of a table, each stated once. Section, decoder, writer and with them schema and
//! reference are made of that one line.

/// A table whose keys fill the fields of a struct: its [`Section`](crate::scenario::key::Section), and the
/// [`Fields`](super::Fields) that read and write it.
///
/// ```text
/// section! {
///     /// What `[run]` is for: the documentation of the section.
///     pub(crate) RUN = "run", RunFields -> RunChoices, |reader, table| {
///         /// Virtual length of a run: the documentation of the key.
///         duration: Scalar(SOME_TIME), default "\"60s\"";
///         in budget: Budget {
///             /// A run with more events ends as exhausted.
///             events as "events_max": Integer { min: 1, max: 1_000 }, required;
///         }
///         use LINKS as links, required;
///         let line = reader.line(&table.span);
///     }
///     noun "a table such as { duration = \"1s\" }";
///     impl { fn schema(&self, system: &SystemDescription) -> Json { … } }
///     check { check_duration(reader, table, &duration)?; }
/// }
/// ```
///
/// - A row is a key: the field that it fills, `as` its name if that is another, its shape, and its need: `required`;
///   `optional`, for a field that is an `Option`; `default` with the value as the file would say it. `or_default` is a
///   field that has the default of its type if the key is absent, and is not written then; `apart` is a default for
///   tables that are written under headers of their own.
/// - `use` takes a key that is a constant; `in` fills a struct within the struct; `let` fills a field from no key.
/// - `check` stands between the reading and the making of the struct. It sees what was read of each key, as a
///   [`Read`](crate::scenario::key::Read) by the name of its field. `impl` takes further methods of `Fields`.
/// - Keys are read and written in the order of the rows.
macro_rules! section {
    (
        $(#[doc = $doc:literal])+
        $vis:vis $section:ident = $name:literal, $fields:ident -> $value:ty, |$reader:ident, $table:ident| {
            $($rows:tt)*
        }
        $(noun $noun:literal;)?
        $(impl { $($item:tt)* })?
        $(check { $($check:tt)* })?
    ) => {
        section!(@row {
            [$reader $table value pairs] [$vis $section $name [$($doc)+] $fields $value] [$($noun)?] [$($($item)*)?]
            [$($($check)*)?]
        } [[] [] [] []] $($rows)*);
    };
    (
        $(#[doc = $doc:literal])+
        $vis:vis $section:ident = $name:literal, $fields:ident -> $value:ty { $($rows:tt)* } $($more:tt)*
    ) => {
        section! {
            $(#[doc = $doc])+
            $vis $section = $name, $fields -> $value, |reader, table| { $($rows)* } $($more)*
        }
    };

    // The rows, one after the other.
    (@row $head:tt $done:tt
        $(#[doc = $doc:literal])+ $field:ident $(as $name:literal)?: $shape:expr, $need:ident $($default:literal)?;
        $($rest:tt)*) => {
        section!(@add $head $done $field $need [$crate::scenario::key::Key {
            name: section!(@name $field $($name)?),
            shape: $shape,
            need: section!(@need $need $($default)?),
            doc: concat!($($doc),+).trim_ascii_start(),
        }] $($rest)*);
    };
    (@row $head:tt $done:tt use $key:ident as $field:ident, $need:ident; $($rest:tt)*) => {
        section!(@add $head $done $field $need [section!(@used $need $key)] $($rest)*);
    };
    (@row $head:tt [$keys:tt [$($lets:tt)*] [$($fills:tt)*] $puts:tt] let $field:ident = $made:expr; $($rest:tt)*) => {
        section!(@row $head [$keys [$($lets)* let $field = $made;] [$($fills)* $field,] $puts] $($rest)*);
    };
    (@row { [$($names:ident)+] $($head:tt)* } [$keys:tt $lets:tt $fills:tt $puts:tt]
        in $group:ident: $inner:ident { $($rows:tt)* } $($rest:tt)*) => {
        section!(@row { [$($names)+ $group.] $($head)* } [$keys $lets [] $puts]
            $($rows)* @close $inner $fills $($rest)*);
    };
    (@row { [$($names:ident)+ .] $($head:tt)* } $done:tt @close $($rest:tt)*) => {
        section!(@close { [$($names)+] $($head)* } $done $($rest)*);
    };
    (@close { [$r:ident $t:ident $v:ident $p:ident $group:ident] $($head:tt)* }
        [$keys:tt $lets:tt [$($fills:tt)*] $puts:tt]
        $inner:ident [$($outer:tt)*] $($rest:tt)*) => {
        section!(@row { [$r $t $v $p] $($head)* }
            [$keys $lets [$($outer)* $group: $inner { $($fills)* },] $puts] $($rest)*);
    };
    (@add { [$r:ident $t:ident $v:ident $p:ident $($group:ident.)?] $($head:tt)* }
        [[$($keys:tt)*] [$($lets:tt)*] [$($fills:tt)*] [$($puts:tt)*]]
        $field:ident $need:ident [$($key:tt)+] $($rest:tt)*) => {
        section!(@row { [$r $t $v $p $($group.)?] $($head)* } [
            [$($keys)* &$($key)+,]
            [$($lets)* let $field = $t.read($r, &$($key)+);]
            [$($fills)* $field: section!(@fill $need $field),]
            [$($puts)* section!(@put $need $p, &$($key)+, $v.$($group.)?$field);]
        ] $($rest)*);
    };
    (@row {
        [$r:ident $t:ident $v:ident $p:ident]
        [$vis:vis $section:ident $name:literal [$($doc:literal)+] $fields:ident $value:ty]
        [$($noun:literal)?] [$($item:tt)*] [$($check:tt)*]
    } [[$($keys:tt)*] [$($lets:tt)*] [$($fills:tt)*] [$($puts:tt)*]]) => {
        #[doc = concat!("The keys of `[", $name, "]`.")]
        $vis static $section: $crate::scenario::key::Section = $crate::scenario::key::Section {
            name: $name,
            doc: concat!($($doc),+).trim_ascii_start(),
            keys: &[$($keys)*],
        };

        #[doc = concat!("`[", $name, "]`.")]
        #[derive(Debug)]
        $vis struct $fields;

        impl $crate::scenario::section::Fields for $fields {
            type Value = $value;

            fn section(&self) -> &'static $crate::scenario::key::Section {
                &$section
            }

            $(fn noun(&self) -> String {
                $noun.to_owned()
            })?

            $($item)*

            fn read(
                &self,
                $r: &mut $crate::scenario::reader::Reader<'_>,
                $t: &$crate::scenario::key::Table<'_>,
            ) -> Option<$value> {
                type Made = $value;
                $($lets)*
                $($check)*
                Some(Made { $($fills)* })
            }

            fn pairs(&self, $v: &$value) -> $crate::scenario::section::Pairs {
                let mut $p = $crate::scenario::section::Pairs::default();
                $($puts)*
                $p
            }
        }
    };

    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };

    (@need required) => { $crate::scenario::key::Need::Required };
    (@need optional) => { $crate::scenario::key::Need::Optional };
    (@need or_default) => { $crate::scenario::key::Need::Optional };
    (@need $need:ident $default:literal) => { $crate::scenario::key::Need::Default($default) };

    (@used optional $key:ident) => {
        $crate::scenario::key::Key { need: $crate::scenario::key::Need::Optional, ..$key }
    };
    (@used $need:ident $key:ident) => { $key };

    (@fill optional $field:ident) => { $field.value };
    (@fill or_default $field:ident) => { $field.value.unwrap_or_default() };
    (@fill $need:ident $field:ident) => { $field.value? };

    (@put optional $pairs:ident, $key:expr, $value:expr) => { $pairs = $pairs.put_some($key, $value.as_ref()) };
    (@put or_default $pairs:ident, $key:expr, $value:expr) => { $pairs = $pairs.put_unless_default($key, &$value) };
    (@put apart $pairs:ident, $key:expr, $value:expr) => {};
    (@put $need:ident $pairs:ident, $key:expr, $value:expr) => { $pairs = $pairs.put($key, &$value) };
}

/// A table that is read by hand: its keys as constants, and its [`Section`](crate::scenario::key::Section), or with
/// `const` no more than the list of them. `use` adds a key that is a constant already.
///
/// ```text
/// keys! {
///     /// What is watched.
///     pub(crate) CHECK = "check" {
///         /// Which invariants of the system are on.
///         INVARIANTS = "invariants": AllBut<Word> = AllBut(INVARIANT), default "\"all\"";
///         use OTHER;
///     }
/// }
/// ```
macro_rules! keys {
    ($(#[doc = $doc:literal])+ $vis:vis $section:ident = $name:literal { $($rows:tt)* }) => {
        keys!(@row [$vis $section $name [$($doc)+]] [] $($rows)*);
    };
    ($(#[$doc:meta])+ const $list:ident { $($rows:tt)* }) => {
        keys!(@row [const $list [$(#[$doc])+]] [] $($rows)*);
    };
    (@row $head:tt [$($keys:tt)*]
        $(#[doc = $doc:literal])+ $vis:vis $key:ident = $name:literal: $type:ty = $shape:expr,
        $need:ident $($default:literal)?; $($rest:tt)*) => {
        #[doc = concat!("`", $name, "`.")]
        $vis const $key: $crate::scenario::key::Key<$type> = $crate::scenario::key::Key {
            name: $name,
            shape: $shape,
            need: section!(@need $need $($default)?),
            doc: concat!($($doc),+).trim_ascii_start(),
        };
        keys!(@row $head [$($keys)* &$key,] $($rest)*);
    };
    (@row $head:tt [$($keys:tt)*] use $key:path; $($rest:tt)*) => {
        keys!(@row $head [$($keys)* &$key,] $($rest)*);
    };
    (@row [const $list:ident [$($doc:tt)+]] [$($keys:tt)*]) => {
        $($doc)+
        const $list: &[&dyn $crate::scenario::key::AnyKey] = &[$($keys)*];
    };
    (@row [$vis:vis $section:ident $name:literal [$($doc:literal)+]] [$($keys:tt)*]) => {
        #[doc = concat!("The keys of `[", $name, "]`.")]
        $vis static $section: $crate::scenario::key::Section = $crate::scenario::key::Section {
            name: $name,
            doc: concat!($($doc),+).trim_ascii_start(),
            keys: &[$($keys)*],
        };
    };
}
