//! A loader's own error comes through `get_or_compute` and `?` as it was.

use maestro_cache_core::{Cache, Error, ErrorKind, LoadError};
use maestro_cache_testkit::ModelBackend;
use thiserror::Error;

#[derive(Debug, Error)]
#[error("no user {0}")]
struct NoUser(u64);

/// The error of a service, in the manner of `thiserror`.
#[derive(Debug, Error)]
enum ServiceError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Cache(#[from] Error),
}

fn cache() -> Cache {
    Cache::new(ModelBackend::new())
}

#[tokio::test]
async fn a_service_with_thiserror_matches_on_it() {
    async fn name(cache: &Cache) -> Result<String, ServiceError> {
        cache.set("other", &1).await?;
        let load = || async { Err::<String, _>(NoUser(7)) };
        Ok(cache.get_or_compute("user:7", load).await?)
    }
    let error = name(&cache()).await.unwrap_err();
    assert_eq!(error.to_string(), "the value could not be loaded");
    let ServiceError::Load(LoadError::Loader(error)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.to_string(), "no user 7");
    assert_eq!(error.downcast_ref::<NoUser>().unwrap().0, 7);
}

#[tokio::test]
async fn a_service_with_anyhow_finds_it_in_the_chain() {
    async fn name(cache: &Cache) -> anyhow::Result<String> {
        let load = || async { Err::<String, _>(NoUser(7)) };
        Ok(cache.get_or_compute("user:7", load).await?)
    }
    let error = name(&cache()).await.unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "the value could not be loaded: no user 7"
    );
    let found = error.chain().find_map(|cause| cause.downcast_ref());
    let NoUser(id) = found.unwrap();
    assert_eq!(*id, 7);
    let load_error: &LoadError = error.downcast_ref().unwrap();
    assert_eq!(load_error.downcast_ref::<NoUser>().unwrap().0, 7);
}

#[cfg(feature = "anyhow")]
#[tokio::test]
async fn a_loader_with_anyhow_hides_nothing() {
    use anyhow::Context;

    let cache = cache();
    let plain = || async {
        Err(NoUser(7))?;
        anyhow::Ok(5)
    };
    let error = cache.get_or_compute("k", plain).await.unwrap_err();
    assert_eq!(error.downcast_ref::<NoUser>().unwrap().0, 7);

    let with_context = || async {
        Err(NoUser(7)).context("the database was asked")?;
        anyhow::Ok(5)
    };
    let error = cache.get_or_compute("k", with_context).await.unwrap_err();
    assert_eq!(error.downcast_ref::<NoUser>().unwrap().0, 7);
    let error = anyhow::Error::from(error);
    assert!(error.chain().any(<dyn std::error::Error>::is::<NoUser>));
    assert_eq!(
        format!("{error:#}"),
        "the value could not be loaded: the database was asked: no user 7"
    );

    let load = |_keys| async { Err::<Vec<(String, u64)>, _>(anyhow::Error::from(NoUser(7))) };
    let values = cache.get_or_compute_many(&["a".to_owned()], load).await;
    let error = values.unwrap_err();
    assert_eq!(error.downcast_ref::<NoUser>().unwrap().0, 7);
}

#[tokio::test]
async fn a_text_is_an_error_too() {
    let load = || async { Err::<u64, _>("no such user") };
    let error = cache().get_or_compute("k", load).await.unwrap_err();
    let LoadError::Loader(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.to_string(), "no such user");
}

#[tokio::test]
async fn an_error_of_the_cache_is_told_from_one_of_the_loader() {
    let load = || async { Ok::<_, NoUser>(5) };
    let error = cache().get_or_compute("", load).await.unwrap_err();
    assert!(
        matches!(&error, LoadError::Cache(error) if error.kind() == ErrorKind::InvalidKey),
        "{error:?}"
    );
    assert!(error.downcast_ref::<NoUser>().is_none());
}

/// What is sent to another thread, and borrows, with each kind of error.
trait Service {
    fn ask(&self, key: &str) -> impl Future<Output = ()> + Send;
}

impl Service for Cache {
    async fn ask(&self, key: &str) {
        type Boxed = Box<dyn std::error::Error + Send + Sync>;
        let load = || async { Err::<usize, Boxed>(NoUser(key.len() as u64).into()) };
        let error = self.get_or_compute(key, load).await.unwrap_err();
        assert_eq!(error.downcast_ref::<NoUser>().unwrap().0, 3);

        let load = || async { Err::<usize, &str>(if key.is_empty() { "empty" } else { "none" }) };
        let error = self.get_or_compute(key, load).await.unwrap_err();
        assert!(matches!(error, LoadError::Loader(error) if error.to_string() == "none"));

        let load = || async { Err::<usize, _>(anyhow::Error::from(NoUser(key.len() as u64))) };
        let error = self.get_or_compute(key, load).await.unwrap_err();
        assert_eq!(
            error.downcast_ref::<NoUser>().is_some(),
            cfg!(feature = "anyhow")
        );

        let load = |_: Vec<String>| async { Err::<Vec<(String, usize)>, Boxed>(NoUser(3).into()) };
        let many = self.get_or_compute_many([key], load).await;
        assert!(many.unwrap_err().downcast_ref::<NoUser>().is_some());
        let load = |_: Vec<String>| async { Err::<Vec<(String, usize)>, _>("none") };
        assert!(self.get_or_compute_many([key], load).await.is_err());
    }
}

#[tokio::test]
async fn an_error_of_any_kind_comes_from_a_task() {
    let cache = cache();
    let asked = tokio::spawn(async move { cache.ask("key").await });
    asked.await.unwrap();
}
