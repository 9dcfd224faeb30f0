//! Values on their way into a statement and out of a row. Each type knows its SQL type, so nobody has to
//! write the type beside a parameter.

use bytes::BytesMut;
use jiff::{Timestamp, civil::Date};
use oslira_api::{CreditTransactionKind, MemberRole, RunState};
use oslira_domain::{
    AccountId, BusinessProfileId, Code, CreditTransactionId, EmailAddress, Error, InvitationId, LeadId,
    Result, RunId, RunStatus, Task, Tier, UserId, Username,
};
use serde_json::Value;
use std::fmt::Debug;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

type Written = Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

/// A value that a statement may take as a parameter.
pub trait Parameter: Debug + Sync {
    /// Its SQL type, which a null has too.
    fn sql_type(&self) -> Type;
    /// Writes the value as Postgres reads it.
    fn put(&self, out: &mut BytesMut) -> Written;
}

/// A parameter, in the form that the driver takes.
#[derive(Debug)]
pub(crate) struct Bound<'a>(pub(crate) &'a dyn Parameter);

impl ToSql for Bound<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Written {
        self.0.put(out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A type that always has the same SQL type.
pub trait SqlType {
    const TYPE: Type;
    fn write(&self, out: &mut BytesMut) -> Written;
}

impl<T: SqlType + Debug + Sync> Parameter for T {
    fn sql_type(&self) -> Type {
        T::TYPE
    }

    fn put(&self, out: &mut BytesMut) -> Written {
        self.write(out)
    }
}

impl<T: SqlType + ?Sized> SqlType for &T {
    const TYPE: Type = T::TYPE;

    fn write(&self, out: &mut BytesMut) -> Written {
        (**self).write(out)
    }
}

impl<T: SqlType> SqlType for Option<T> {
    const TYPE: Type = T::TYPE;

    fn write(&self, out: &mut BytesMut) -> Written {
        self.as_ref().map_or(Ok(IsNull::Yes), |value| value.write(out))
    }
}

/// A type that a column can be read as.
pub trait Column: Sized {
    /// The type that the driver reads the column as.
    type Stored: for<'a> FromSql<'a>;
    fn from_stored(stored: Self::Stored) -> Result<Self>;
}

impl<T: Column> Column for Option<T> {
    type Stored = Option<T::Stored>;

    fn from_stored(stored: Self::Stored) -> Result<Self> {
        stored.map(T::from_stored).transpose()
    }
}

macro_rules! plain {
    ($($type:ty = $sql:ident;)*) => {
        $(
            impl SqlType for $type {
                const TYPE: Type = Type::$sql;

                fn write(&self, out: &mut BytesMut) -> Written {
                    self.to_sql(&Self::TYPE, out)
                }
            }

            impl Column for $type {
                type Stored = Self;

                fn from_stored(stored: Self) -> Result<Self> {
                    Ok(stored)
                }
            }
        )*
    };
}

plain! {
    bool = BOOL;
    i32 = INT4;
    i64 = INT8;
    f64 = FLOAT8;
    String = TEXT;
    Vec<String> = TEXT_ARRAY;
    Vec<u8> = BYTEA;
    Uuid = UUID;
    Timestamp = TIMESTAMPTZ;
    Date = DATE;
    Value = JSONB;
}

impl SqlType for str {
    const TYPE: Type = Type::TEXT;

    fn write(&self, out: &mut BytesMut) -> Written {
        self.to_sql(&Self::TYPE, out)
    }
}

/// A count. A count that is too large for a column is written as the largest value of the column. No column
/// holds a negative one.
impl SqlType for u64 {
    const TYPE: Type = Type::INT8;

    fn write(&self, out: &mut BytesMut) -> Written {
        i64::try_from(*self).unwrap_or(i64::MAX).write(out)
    }
}

impl Column for u64 {
    type Stored = i64;

    fn from_stored(stored: i64) -> Result<Self> {
        Self::try_from(stored).map_err(Error::internal)
    }
}

macro_rules! ids {
    ($($type:ident),*) => {
        $(
            impl SqlType for $type {
                const TYPE: Type = Type::UUID;

                fn write(&self, out: &mut BytesMut) -> Written {
                    self.0.write(out)
                }
            }

            impl Column for $type {
                type Stored = Uuid;

                fn from_stored(stored: Uuid) -> Result<Self> {
                    Ok(Self(stored))
                }
            }
        )*
    };
}

ids!(AccountId, BusinessProfileId, CreditTransactionId, InvitationId, LeadId, RunId, UserId);

macro_rules! words {
    ($($type:ident),*) => {
        $(
            impl SqlType for $type {
                const TYPE: Type = Type::TEXT;

                fn write(&self, out: &mut BytesMut) -> Written {
                    self.as_str().write(out)
                }
            }
        )*
    };
}

words!(Code, EmailAddress, MemberRole, RunState, RunStatus, Task, Tier, Username);

macro_rules! read_words {
    ($($type:ident),*) => {
        $(
            impl Column for $type {
                type Stored = String;

                fn from_stored(stored: String) -> Result<Self> {
                    stored.parse().map_err(Error::internal)
                }
            }
        )*
    };
}

read_words!(CreditTransactionKind, EmailAddress, MemberRole, RunState, Tier, Username);

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: impl SqlType) -> Vec<u8> {
        let mut out = BytesMut::new();
        assert!(matches!(value.write(&mut out).unwrap(), IsNull::No));
        out.to_vec()
    }

    #[test]
    fn a_null_has_the_type_of_its_values() {
        let key: Option<&str> = None;
        assert_eq!(key.sql_type(), Type::TEXT);
        assert!(matches!(SqlType::write(&key, &mut BytesMut::new()).unwrap(), IsNull::Yes));
    }

    #[test]
    fn a_count_that_no_column_holds_is_the_most_that_one_does() {
        assert_eq!(written(u64::MAX), written(i64::MAX));
        assert_eq!(written(7_u64), written(7_i64));
        assert!(u64::from_stored(-1).is_err());
    }

    #[test]
    fn a_domain_type_is_written_as_what_it_is_called() {
        assert_eq!(written(Tier::Xray), b"xray");
        assert_eq!(Tier::from_stored("xray".to_owned()).unwrap(), Tier::Xray);
        assert!(Tier::from_stored("gold".to_owned()).is_err());
    }
}
