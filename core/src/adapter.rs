//! The five types that every adapter has, for authors of adapters.

/// Defines `AuthSession`, `MaybeSession`, `SignIn`, `AuthReply` and `AuthRejection`: the words that an
/// application uses are the same on every framework, and the framework's traits can be implemented
/// only for types of the adapter's own crate. They are made by the adapter alone, out of what
/// [`Sessions`](crate::Sessions) answers.
///
/// ```
/// # mod my_adapter {
/// logout_all::adapter_types!();
///
/// // As a framework's own "reply" would be made.
/// impl From<AuthReply> for Vec<u8> {
///     fn from(AuthReply(reply): AuthReply) -> Self {
///         match reply.into_parts().2 {
///             logout_all::wire::Body::Full(bytes) => bytes.to_vec(),
///             _ => Vec::new(),
///         }
///     }
/// }
/// # }
/// ```
#[macro_export]
macro_rules! adapter_types {
    () => {
        /// A live session: the handler runs for nobody else. Derefs to [`Verified`](crate::Verified).
        #[derive(Clone, Debug)]
        pub struct AuthSession(pub(crate) $crate::Verified);

        /// A live session, or none where the request presents no token. Everything else is refused
        /// as usual, an outage as 503.
        #[derive(Clone, Debug)]
        pub struct MaybeSession(pub Option<AuthSession>);

        /// For the login route: who asks to sign in. Refuses requests of other sites. Derefs to
        /// [`SignInRequest`](crate::http::SignInRequest), whose `begin` takes the ticket.
        #[derive(Clone, Debug)]
        pub struct SignIn(pub(crate) $crate::http::SignInRequest);

        /// A sign-in whose ticket is taken: check the password, then
        /// [`finish`](crate::http::OpenSignIn::finish).
        pub type SignInTicket = $crate::http::OpenSignIn;

        /// The library's answer, for a handler to return.
        #[derive(Clone, Debug)]
        pub struct AuthReply(pub(crate) $crate::Reply);

        /// A refusal, for a handler to return with `?` or to turn into a response. One that is made
        /// from an [`AuthError`](crate::AuthError) names the default realm in its challenge; one of
        /// an extractor or a guard the configured.
        #[derive(Clone, Debug)]
        pub struct AuthRejection(pub(crate) $crate::http::Refusal);

        impl AuthSession {
            /// The proof itself, for code that knows no framework.
            pub fn into_inner(self) -> $crate::Verified {
                self.0
            }
        }

        impl ::std::ops::Deref for AuthSession {
            type Target = $crate::Verified;

            fn deref(&self) -> &$crate::Verified {
                &self.0
            }
        }

        impl SignIn {
            /// The request itself, for code that knows no framework.
            pub fn into_inner(self) -> $crate::http::SignInRequest {
                self.0
            }
        }

        impl ::std::ops::Deref for SignIn {
            type Target = $crate::http::SignInRequest;

            fn deref(&self) -> &$crate::http::SignInRequest {
                &self.0
            }
        }

        impl From<$crate::Reply> for AuthReply {
            fn from(reply: $crate::Reply) -> Self {
                Self(reply)
            }
        }

        impl AuthRejection {
            /// Why.
            pub fn error(&self) -> &$crate::AuthError {
                self.0.error()
            }
        }

        impl From<$crate::http::Refusal> for AuthRejection {
            fn from(refusal: $crate::http::Refusal) -> Self {
                Self(refusal)
            }
        }

        impl From<$crate::AuthError> for AuthRejection {
            fn from(error: $crate::AuthError) -> Self {
                Self($crate::http::Refusal::without_sessions(error))
            }
        }

        impl From<$crate::Denied> for AuthRejection {
            fn from(denied: $crate::Denied) -> Self {
                $crate::AuthError::from(denied).into()
            }
        }

        impl From<$crate::Usage> for AuthRejection {
            fn from(usage: $crate::Usage) -> Self {
                $crate::AuthError::from(usage).into()
            }
        }

        impl ::std::fmt::Display for AuthRejection {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl ::std::error::Error for AuthRejection {
            fn source(&self) -> Option<&(dyn ::std::error::Error + 'static)> {
                Some(&self.0)
            }
        }

        /// What an application may share between threads and hand on.
        const _: () = {
            const fn shared<T: Clone + Send + Sync + 'static>() {}
            shared::<AuthSession>();
            shared::<MaybeSession>();
            shared::<SignIn>();
            shared::<SignInTicket>();
            shared::<AuthReply>();
            shared::<AuthRejection>();
        };
    };
}
