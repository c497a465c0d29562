//! Calls about many keys, each of which has an answer of its own.

use maestro_cache_core::{Claim, ClaimOver, ClaimRequest, Lookup, Publication, Result};

use crate::call::{Deadline, Intent};
use crate::commands;
use crate::deployment::{Deployment, Slot};
use crate::found::{claimed, found};
use crate::mark;
use crate::reply::Reply;
use crate::request::{Request, Weight};
use crate::scripts::{self, ScriptCall};
use crate::together::{AT_ONCE, all_of};

/// So many keys go in one call of a script, unless they take more than so many bytes. A server does
/// nothing else until it is through with them, which takes it less than a millisecond.
const MOST_OF_A_PART: usize = 64;
const MOST_BYTES_OF_A_PART: usize = 128 << 10;

/// What is asked about one key.
trait Question: Sync {
    fn key(&self) -> &str;

    /// How long the value is that goes with the key; none if none does.
    fn value_length(&self) -> usize;

    fn size(&self) -> usize {
        self.key().len().saturating_add(self.value_length())
    }
}

impl Question for &str {
    fn key(&self) -> &str {
        self
    }

    fn value_length(&self) -> usize {
        0
    }
}

impl Question for ClaimRequest {
    fn key(&self) -> &str {
        &self.key
    }

    fn value_length(&self) -> usize {
        scripts::unreadable(&self.over).len()
    }
}

impl Question for Publication {
    fn key(&self) -> &str {
        &self.key
    }

    fn value_length(&self) -> usize {
        // With its mark it must not be too long either.
        self.value.len().saturating_add(mark::LENGTH)
    }
}

impl Deployment {
    pub(crate) async fn look_up_each(
        &self,
        deadline: Deadline,
        keys: &[&str],
    ) -> Vec<Result<Lookup>> {
        let ask = |part| self.look_up_part(deadline, part);
        self.for_each(keys, ask, found).await
    }

    async fn look_up_part(&self, deadline: Deadline, part: &[&str]) -> Result<Vec<Reply>> {
        let keys: Vec<&str> = part.iter().map(Question::key).collect();
        let look_up = scripts::look_up(&keys).heavy_if(true);
        let slot = self.slot_of(part);
        let reply = self.run(slot, deadline, Intent::Read, &look_up).await?;
        reply.many_of(part.len())
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
        let claim = |part| self.claim_gaps(deadline, part);
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
        let claim = |part| self.run_over(deadline, part, scripts::claim);
        answers.extend(
            places
                .into_iter()
                .zip(self.for_each(&left, claim, claimed).await),
        );
        answers.sort_unstable_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    pub(crate) async fn publish_each(
        &self,
        deadline: Deadline,
        publications: &[Publication],
    ) -> Vec<Result<bool>> {
        let publish = |part| self.run_over(deadline, part, scripts::publish);
        self.for_each(publications, publish, Reply::yes).await
    }

    /// Asks about the keys in parts, and answers for each of them. On a cluster the keys of a part would
    /// have to be of one slot, so each is a part of its own.
    async fn for_each<'a, Q: Question, A: Send, F>(
        &self,
        questions: &'a [Q],
        ask: impl Fn(&'a [Q]) -> F + Send,
        answer: fn(Reply) -> Result<A>,
    ) -> Vec<Result<A>>
    where
        F: Future<Output = Result<Vec<Reply>>> + Send,
    {
        let most = match self {
            Self::Server(_) => MOST_OF_A_PART,
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => 1,
        };
        let asked = parts(questions, most).map(|part| {
            let replies = fit(part).map(|()| ask(part));
            async move {
                let replies = match replies {
                    Ok(replies) => replies.await,
                    Err(error) => Err(error),
                };
                answers(part.len(), replies, answer)
            }
        });
        let answers = all_of(asked.collect(), AT_ONCE / most).await;
        answers.into_iter().flatten().collect()
    }

    /// Calls a script that answers for each of its keys.
    async fn run_over<Q: Question>(
        &self,
        deadline: Deadline,
        part: &[Q],
        script: fn(&[Q]) -> ScriptCall,
    ) -> Result<Vec<Reply>> {
        let script = script(part);
        let slot = self.slot_of(part);
        let reply = self.run(slot, deadline, Intent::Write, &script).await?;
        answer_or_many(reply, part)
    }

    /// Claims those of the keys that hold nothing.
    async fn claim_gaps(&self, deadline: Deadline, part: &[ClaimRequest]) -> Result<Vec<Reply>> {
        let claim = |claim: &ClaimRequest| commands::claim(&claim.key, claim.token);
        let request = match part {
            [only] => Request::from(claim(only)),
            _ => {
                let claims = commands::together(part.iter().map(claim));
                // Light, as what lets go of a claim: on the same link, that cannot come first.
                Request::several(claims, Weight::Light)
            }
        };
        let slot = self.slot_of(part);
        let reply = self.call(slot, deadline, Intent::Write, &request).await?;
        answer_or_many(reply, part)
    }

    fn slot_of<Q: Question>(&self, part: &[Q]) -> Slot {
        let key = part.first().map_or("", Q::key);
        self.slot(key.as_bytes())
    }
}

/// Refuses a part that is too long to be sent, which is one question alone.
fn fit<Q: Question>(part: &[Q]) -> Result<()> {
    commands::fit(
        part.iter()
            .flat_map(|each| [each.key().len(), each.value_length()]),
    )
}

/// As large as they may be, and of one question at least. One that is larger than that is alone.
fn parts<Q: Question>(mut questions: &[Q], most: usize) -> impl Iterator<Item = &[Q]> {
    std::iter::from_fn(move || {
        let mut size: usize = 0;
        let count = questions.iter().take(most).take_while(|question| {
            let is_first = size == 0;
            size = size.saturating_add(question.size()).saturating_add(1);
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
