//! Words of the contract as enums that keep what they do not know.

/// Declares an enum whose values are words, with a variant for words of later versions.
macro_rules! words {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
        #[serde(from = "String")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A word of a later version.
            Other(String),
        }

        impl $name {
            /// All words that this version knows.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the word.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)*
                    _ => Self::Other(word),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use crate::Phase;

    #[test]
    fn known_words_are_variants_and_others_are_kept() {
        for (word, phase) in [
            ("ready", Phase::Ready),
            ("catching-up", Phase::CatchingUp),
            ("asleep", Phase::Other("asleep".to_owned())),
        ] {
            let json = format!("{word:?}");
            assert_eq!(serde_json::from_str::<Phase>(&json).unwrap(), phase);
            assert_eq!(serde_json::to_string(&phase).unwrap(), json);
            assert_eq!(phase.to_string(), word);
        }
    }
}
