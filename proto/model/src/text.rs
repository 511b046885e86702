//! Texts that are what their type says, or do not exist.

/// A type around a text that a rule has looked at. The rule is a `fn(&str) -> Option<&'static str>`
/// that answers what is wrong.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $fault:expr) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ids::InvalidId;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                let fault: fn(&str) -> Option<&'static str> = $fault;
                match fault(s) {
                    Some(why) => Err($crate::ids::InvalidId::new($what, s, why)),
                    None => Ok(Self(s.to_owned())),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::ids::InvalidId;

            fn try_from(s: String) -> Result<Self, Self::Error> {
                s.parse()
            }
        }

        impl From<$name> for String {
            fn from(v: $name) -> String {
                v.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(crate) use checked_text;
