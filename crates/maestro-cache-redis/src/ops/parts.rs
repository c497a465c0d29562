//! Calls about many keys, each of which has an answer of its own.

use maestro_cache_core::{Claim, ClaimOver, ClaimRequest, Lookup, Publication, Result};

use crate::call::{Deadline, Intent};
use crate::commands;
use crate::deployment::{Deployment, Slot};
use crate::found::{claimed, found};
use crate::mark;
use crate::reply::Reply;
use crate::request::{Request, Weight};
use crate::scripts;
use crate::together::{AT_ONCE, all_of};

/// So many keys go in one call of a script, unless they take more than so many bytes. A server does
/// nothing else until it is through with them, which takes it less than a millisecond.
const MOST_OF_A_PART: usize = 64;
const MOST_BYTES_OF_A_PART: usize = 128 << 10;

/// What is asked about one key.
trait Question: Sync {
    /// The key, and how long the value is that goes with it.
    fn key_and_length(&self) -> (&str, usize);
}

impl Question for &str {
    fn key_and_length(&self) -> (&str, usize) {
        (self, 0)
    }
}

impl Question for ClaimRequest {
    fn key_and_length(&self) -> (&str, usize) {
        (&self.key, scripts::unreadable(&self.over).len())
    }
}

impl Question for Publication {
    fn key_and_length(&self) -> (&str, usize) {
        // With its mark it must not be too long either.
        (&self.key, self.value.len().saturating_add(mark::LENGTH))
    }
}

impl Deployment {
    pub(crate) async fn look_up_each(
        &self,
        deadline: Deadline,
        keys: &[&str],
    ) -> Vec<Result<Lookup>> {
        let look_up = |slot, part: &[&str]| {
            let look_up = scripts::look_up(part).heavy_if(true);
            self.run(slot, deadline, Intent::Read, look_up)
        };
        self.for_each(keys, look_up, found).await
    }

    pub(crate) async fn claim_each(
        &self,
        deadline: Deadline,
        claims: Vec<ClaimRequest>,
    ) -> Vec<Result<Claim>> {
        let mut answers = Vec::with_capacity(claims.len());
        let (gaps, others): (Vec<_>, Vec<_>) = (0..)
            .zip(claims)
            .partition(|(_, claim)| matches!(claim.over, ClaimOver::Gap));
        let (places, gaps): (Vec<usize>, Vec<_>) = gaps.into_iter().unzip();
        // Mostly there is nothing, which is what the script would do then, and it takes longer.
        let claim = |slot, part| self.claim_gaps(slot, deadline, part);
        let were_set = self.for_each(&gaps, claim, Reply::was_set).await;
        let mut left = others;
        for ((place, gap), was_set) in places.into_iter().zip(gaps).zip(were_set) {
            match was_set {
                Ok(false) => left.push((place, gap)),
                Ok(true) => answers.push((place, Ok(Claim::Granted))),
                Err(error) => answers.push((place, Err(error))),
            }
        }
        let (places, left): (Vec<usize>, Vec<_>) = left.into_iter().unzip();
        let claim =
            |slot, part: &[_]| self.run(slot, deadline, Intent::Write, scripts::claim(part));
        let claims = self.for_each(&left, claim, claimed).await;
        answers.extend(places.into_iter().zip(claims));
        answers.sort_unstable_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    pub(crate) async fn publish_each(
        &self,
        deadline: Deadline,
        publications: &[Publication],
    ) -> Vec<Result<bool>> {
        let publish =
            |slot, part: &[_]| self.run(slot, deadline, Intent::Write, scripts::publish(part));
        self.for_each(publications, publish, Reply::yes).await
    }

    /// Asks about the keys in parts, and answers for each of them. On a cluster the keys of a part would
    /// have to be of one slot, so each is a part of its own.
    async fn for_each<'a, Q: Question, A: Send, F>(
        &self,
        questions: &'a [Q],
        ask: impl Fn(Slot, &'a [Q]) -> F + Sync,
        answer: fn(Reply) -> Result<A>,
    ) -> Vec<Result<A>>
    where
        F: Future<Output = Result<Reply>> + Send,
    {
        let most = match self {
            Self::Server(_) => MOST_OF_A_PART,
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => 1,
        };
        let ask = &ask;
        let asked = parts(questions, most).map(|part| async move {
            let replies = match fit(part) {
                Ok(()) => ask(self.slot_of(part), part).await,
                Err(error) => Err(error),
            };
            answers(
                part.len(),
                replies.and_then(|reply| answer_or_many(reply, part)),
                answer,
            )
        });
        let answers = all_of(asked.collect(), AT_ONCE / most).await;
        answers.into_iter().flatten().collect()
    }

    /// Claims those of the keys that hold nothing.
    async fn claim_gaps(
        &self,
        slot: Slot,
        deadline: Deadline,
        part: &[ClaimRequest],
    ) -> Result<Reply> {
        let claim = |claim: &ClaimRequest| commands::claim(&claim.key, claim.token);
        let request = match part {
            [only] => Request::from(claim(only)),
            _ => {
                let claims = commands::together(part.iter().map(claim));
                // Light, as what lets go of a claim: on the same link, that cannot come first.
                Request::several(claims, Weight::Light)
            }
        };
        self.call(slot, deadline, Intent::Write, &request).await
    }

    fn slot_of<Q: Question>(&self, part: &[Q]) -> Slot {
        let key = part.first().map_or("", |first| first.key_and_length().0);
        self.slot(key.as_bytes())
    }
}

/// Refuses a part that is too long to be sent, which is one question alone.
fn fit<Q: Question>(part: &[Q]) -> Result<()> {
    commands::fit(part.iter().flat_map(|each| {
        let (key, length) = each.key_and_length();
        [key.len(), length]
    }))
}

/// As large as they may be, and of one question at least. One that is larger than that is alone.
fn parts<Q: Question>(mut questions: &[Q], most: usize) -> impl Iterator<Item = &[Q]> {
    std::iter::from_fn(move || {
        let mut size: usize = 0;
        let count = questions.iter().take(most).take_while(|question| {
            let is_first = size == 0;
            let (key, length) = question.key_and_length();
            size = size.saturating_add(length).saturating_add(key.len() + 1);
            is_first || size <= MOST_BYTES_OF_A_PART
        });
        let (part, rest) = questions.split_at_checked(count.count())?;
        questions = rest;
        (!part.is_empty()).then_some(part)
    })
}

/// The answers about a part: one, or several in one.
fn answer_or_many<Q>(reply: Reply, part: &[Q]) -> Result<Vec<Reply>> {
    match part {
        [_] => Ok(vec![reply]),
        _ => reply.many_of(part.len()),
    }
}

/// What went wrong with a part, did so for each key of it.
pub(crate) fn answers<A>(
    count: usize,
    replies: Result<Vec<Reply>>,
    answer: impl Fn(Reply) -> Result<A>,
) -> Vec<Result<A>> {
    match replies {
        Ok(replies) => replies.into_iter().map(answer).collect(),
        Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
    }
}

#[cfg(test)]
#[path = "../../tests/unit/ops/parts.rs"]
mod tests;
