//! Policy from the page: propose from what was seen, see what it would mean, hand in, sign.
//!
//! Owns: who may do which step of it, and that each stands in the journal before it is done. Does not own: what
//! is proposed (`crate::proposed`), what a text means (`crate::review`), what is kept and signed
//! (`crate::proposals`), pages (`pages`) and the API's calls (`api`). The city file itself is never written
//! here: `citywall policy accept` does that, in a shell.

pub mod api;
pub mod pages;

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use citywall_policy::{Proposal, Told};
use serde::Serialize;
use utoipa::ToSchema;

use super::context::{Ctx, Refusal};
use super::said::said;
use crate::app::now;
use crate::permission::Deed;
use crate::proposal::{Backer, digest};
use crate::proposals::{Draft, Kept, Refused};
use crate::proposed::{can_be_taken, key, proposed};
use crate::review::{Review, review, whole};
use crate::said::Message;
use crate::text::cut;

/// Longest body of a request that holds a city file: a form may write each byte as three.
pub const BODY: usize = 4 << 20;
/// Longest reason that is taken, in characters.
pub const REASON: usize = 500;
/// Conduits of each kind that are shown.
const SHOWN: usize = 1_000;

/// A conduit that is proposed, or that is doubtful.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToldView {
    /// By which it is taken.
    pub key: String,
    /// Who begins.
    pub from: Vec<String>,
    /// With whom.
    pub to: Vec<String>,
    /// In the words of the city file.
    pub allow: Vec<String>,
    /// How often.
    pub times: u64,
    /// `times` counts commands that change something; else conversations.
    pub changes: bool,
    /// By how many devices.
    pub devices_from: usize,
    /// With how many.
    pub devices_to: usize,
    /// First seen.
    pub first: String,
    /// Last seen.
    pub last: String,
    /// Of something doubtful: why. Else what to look at; may be empty.
    pub note: String,
    /// What `note` says in any language; not there where there is no note.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub message: Option<Message>,
    /// It can be taken: the city file has words for it.
    pub takeable: bool,
}

/// A zone that was made up, as there is no city file.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MadeZone {
    /// Its name.
    pub name: String,
    /// Its network.
    pub network: String,
    /// What was seen of it, in English.
    pub hint: String,
}

/// A device that needs a name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MadeAsset {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
}

/// What is proposed from what was seen.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProposalView {
    /// Conduits.
    pub conduits: Vec<ToldView>,
    /// What is not proposed, and why.
    pub doubtful: Vec<ToldView>,
    /// Zones.
    pub zones: Vec<MadeZone>,
    /// Devices.
    pub assets: Vec<MadeAsset>,
    /// Pairs of devices and services that the city file allows already; who answers for some zones alone is not
    /// told.
    pub allowed: u64,
    /// Conversations in which nobody answered; likewise.
    pub unanswered: u64,
    /// What found no room; likewise.
    pub left_out: u64,
}

/// A city file to be that waits for people, or has them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KeptView {
    /// Its number.
    pub id: u64,
    /// `open`, `signed`, `in-force`; `outdated`: the city file is another by now.
    pub state: &'static str,
    /// Who handed it in.
    pub by: Backer,
    /// Who signed.
    pub signers: Vec<Backer>,
    /// What a signature is bound to.
    pub hash: String,
    /// SHA-256 of the city file that it was made from.
    pub base: String,
    /// Zones that it touches.
    pub zones: Vec<String>,
}

/// Who proposes at all.
///
/// # Errors
/// Where the person does not.
pub fn may_propose(ctx: &Ctx) -> Result<(), Refusal> {
    match ctx.may_anywhere(Deed::Propose) {
        true => Ok(()),
        false => Err(ctx.refuse(StatusCode::FORBIDDEN, "error-role")),
    }
}

fn busy(ctx: &Ctx) -> Refusal {
    ctx.refuse(StatusCode::SERVICE_UNAVAILABLE, "error-busy")
}

fn broken(ctx: &Ctx, error: impl ToString) -> Refusal {
    ctx.refuse_with(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

fn refused(ctx: &Ctx, why: Refused) -> Refusal {
    match why {
        Refused::Unknown => ctx.refuse(StatusCode::NOT_FOUND, "proposal-unknown"),
        Refused::Full => ctx.refuse(StatusCode::CONFLICT, "proposal-full"),
        Refused::Twice => ctx.refuse(StatusCode::CONFLICT, "proposal-twice"),
        Refused::Over => ctx.refuse(StatusCode::CONFLICT, "proposal-over"),
        Refused::Open => ctx.refuse(StatusCode::CONFLICT, "proposal-open"),
        Refused::System(error) => broken(ctx, error),
    }
}

/// Work of seconds, on a thread that may, one at a time: also where nobody waits for it any more.
async fn heavy<T: Send + 'static>(
    ctx: &Ctx,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let place = Arc::clone(&ctx.app().judging).acquire_owned().await;
    let place = place.map_err(|_| busy(ctx))?;
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    done.await.map_err(|error| broken(ctx, error))
}

/// What was seen, as a proposal for the whole city.
///
/// # Errors
/// Where the person may not propose.
pub async fn seen(ctx: &Ctx) -> Result<Arc<Proposal>, Refusal> {
    may_propose(ctx)?;
    let (app, known) = (Arc::clone(ctx.app()), Arc::clone(&ctx.known));
    heavy(ctx, move || proposed(&app, &known)).await
}

/// Is one of its two ends the person's?
fn sees(ctx: &Ctx, told: &Told) -> bool {
    ctx.person.sees(told.zones.into_iter().flatten())
}

/// What of it the person sees.
pub fn view(ctx: &Ctx, proposal: &Proposal) -> ProposalView {
    let told = |told: &Told| ToldView {
        key: key(told),
        from: told.from.clone(),
        to: told.to.clone(),
        allow: told.allow.clone(),
        times: told.seen.times,
        changes: told.changes,
        devices_from: told.devices.0,
        devices_to: told.devices.1,
        first: ctx.known.time(told.seen.first),
        last: ctx.known.time(told.seen.last),
        note: told.note.to_string(),
        message: Message::of(&told.note),
        takeable: can_be_taken(told),
    };
    let list = |all: &[Told]| {
        all.iter()
            .filter(|t| sees(ctx, t))
            .take(SHOWN)
            .map(told)
            .collect()
    };
    let conduits: Vec<ToldView> = list(&proposal.conduits);
    let city_wide = ctx.person.sees_city();
    let named = |name: &String| {
        conduits
            .iter()
            .any(|c| c.from.contains(name) || c.to.contains(name))
    };
    let assets = proposal.assets.iter().filter(|(name, _)| named(name));
    let count = |n: u64| if city_wide { n } else { 0 };
    ProposalView {
        assets: assets
            .map(|(name, address)| MadeAsset {
                name: name.clone(),
                address: address.clone(),
            })
            .collect(),
        doubtful: list(&proposal.doubtful),
        zones: proposal
            .zones
            .iter()
            .map(|(name, network, hint)| MadeZone {
                name: name.clone(),
                network: network.clone(),
                hint: hint.clone(),
            })
            .collect(),
        allowed: count(proposal.allowed),
        unanswered: count(proposal.unanswered),
        left_out: count(proposal.untold),
        conduits,
    }
}

/// The text that has what a person took: the whole city file, or for who answers for some zones alone what is to be
/// added to it.
///
/// # Errors
/// Where the person may not propose.
pub async fn text_of(ctx: &Ctx, keys: &[String]) -> Result<String, Refusal> {
    may_propose(ctx)?;
    let present = match ctx.person.sees_city() {
        true => ctx.known.text.to_string(),
        false => String::new(),
    };
    if keys.is_empty() {
        return Ok(present);
    }
    let proposal = seen(ctx).await?;
    let take = |told: &Told| sees(ctx, told) && can_be_taken(told) && keys.contains(&key(told));
    let chosen = proposal.chosen(ctx.known.city.as_ref(), take);
    Ok(match present.trim_end() {
        "" => chosen.toml,
        present => format!("{present}\n\n{}", chosen.toml),
    })
}

/// What a text would mean, and the text as a whole.
///
/// # Errors
/// Where the person may not propose.
pub async fn reviewed(ctx: &Ctx, sent: &str) -> Result<(Review, String), Refusal> {
    may_propose(ctx)?;
    let (known, person) = (Arc::clone(&ctx.known), ctx.person.clone());
    let text = whole(&known, &person, sent);
    heavy(ctx, move || (review(&known, &person, &text), text)).await
}

async fn record(ctx: &Ctx, what: &str, on: &str, why: &str) -> Result<(), Refusal> {
    let recorded = ctx.app().record(&ctx.person.name, what, on, why).await;
    recorded.map_err(|error| broken(ctx, error))
}

fn backer(ctx: &Ctx, reason: &str) -> Backer {
    Backer {
        name: ctx.person.name.clone(),
        why: cut(reason.trim(), REASON),
        at: now(),
    }
}

/// A proposal as journals name it: by its number, where it has one, and the first digits of its hash.
fn named(id: Option<u64>, hash: &str) -> String {
    let id = id.map(|id| format!("{id} ")).unwrap_or_default();
    format!("policy {id}{}", cut(hash, 12).trim_end_matches('…'))
}

/// Hands a text in, as it was shown.
///
/// # Errors
/// Where the person may not, the text is none that can be signed, or is not the one that was shown.
pub async fn hand_in(ctx: &Ctx, sent: &str, hash: &str, reason: &str) -> Result<u64, Refusal> {
    if reason.trim().is_empty() {
        may_propose(ctx)?;
        return Err(ctx.refuse(StatusCode::UNPROCESSABLE_ENTITY, "proposal-why"));
    }
    let (review, text) = reviewed(ctx, sent).await?;
    if let Some(wrong) = review.errors.first() {
        let told = said(ctx, &wrong.english(), wrong.whole().as_ref()).text();
        let text = format!("{}: {told}", wrong.line);
        return Err(ctx.refuse_with(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    if review.beyond {
        return Err(ctx.refuse(StatusCode::FORBIDDEN, "proposal-beyond"));
    }
    if review.same {
        return Err(ctx.refuse(StatusCode::UNPROCESSABLE_ENTITY, "proposal-same"));
    }
    if review.hash != hash {
        return Err(ctx.refuse(StatusCode::CONFLICT, "proposal-other"));
    }
    let by = backer(ctx, reason);
    record(ctx, "policy-propose", &named(None, hash), &by.why).await?;
    let draft = Draft {
        city: review.city,
        base: review.base,
        hash: review.hash,
        zones: review.zones,
        text,
    };
    let app = Arc::clone(ctx.app());
    let kept = heavy(ctx, move || {
        let present = digest(&app.known().text);
        app.proposals().add(draft, by, &present)
    });
    kept.await?.map_err(|why| refused(ctx, why))
}

fn concerns(ctx: &Ctx, kept: &Kept) -> bool {
    let roles = [Deed::Propose, Deed::SignPolicy].map(|deed| ctx.may_anywhere(deed));
    let zones = kept.zones.iter().filter_map(|name| ctx.known.zone(name));
    roles.contains(&true) && (ctx.person.sees_city() || ctx.person.sees(zones))
}

fn kept_view(kept: &Kept, present: &str) -> KeptView {
    KeptView {
        id: kept.id,
        state: match (kept.serial, kept.base == present) {
            _ if digest(&kept.text) == present => "in-force",
            (_, false) => "outdated",
            (Some(_), true) => "signed",
            (None, true) => "open",
        },
        by: kept.by.clone(),
        signers: kept.signers.clone(),
        hash: kept.hash.clone(),
        base: kept.base.clone(),
        zones: kept.zones.clone(),
    }
}

/// Those that concern the person, the newest first.
pub fn list(ctx: &Ctx) -> Vec<KeptView> {
    let present = digest(&ctx.known.text);
    let proposals = ctx.app().proposals();
    let all = proposals.all().iter().rev().filter(|kept| concerns(ctx, kept));
    all.map(|kept| kept_view(kept, &present)).collect()
}

/// One of them, with what it would mean: nothing where it was made from another city file.
///
/// # Errors
/// Where there is none that concerns the person.
pub async fn one(ctx: &Ctx, id: u64) -> Result<(KeptView, Review, String), Refusal> {
    let kept = ctx.app().proposals().get(id).cloned();
    let kept = kept.filter(|kept| concerns(ctx, kept));
    let kept = kept.ok_or_else(|| refused(ctx, Refused::Unknown))?;
    let (known, person) = (Arc::clone(&ctx.known), ctx.person.clone());
    let city_wide = person.sees_city();
    let judged = heavy(ctx, move || {
        let view = kept_view(&kept, &digest(&known.text));
        let review = match view.state {
            "open" | "signed" => review(&known, &person, &kept.text),
            _ => Review::default(),
        };
        (view, review, kept.text)
    });
    let (view, review, text) = judged.await?;
    Ok((view, review, if city_wide { text } else { String::new() }))
}

/// The city file is not the one that a proposal was made from; it is named.
fn changed(ctx: &Ctx) -> Refusal {
    let file = ctx.known.city.as_ref().map_or("city.toml", |city| &city.file);
    let text = ctx.l().with("proposal-changed", &[("file", &cut(file, 200))]);
    ctx.refuse_with(StatusCode::CONFLICT, text)
}

/// Signs what was shown. True where enough people have.
///
/// # Errors
/// Where the person may not, it was not shown so, or the city file is another by now.
pub async fn sign(ctx: &Ctx, id: u64, hash: &str, reason: &str) -> Result<bool, Refusal> {
    let (view, review, _) = one(ctx, id).await?;
    if !ctx.may_anywhere(Deed::SignPolicy) {
        return Err(ctx.refuse(StatusCode::FORBIDDEN, "error-role"));
    }
    match view.state {
        "open" => {}
        "signed" => return Err(refused(ctx, Refused::Over)),
        _ => return Err(changed(ctx)),
    }
    if review.beyond {
        return Err(ctx.refuse(StatusCode::FORBIDDEN, "proposal-beyond"));
    }
    if view.hash != hash || !review.errors.is_empty() {
        return Err(ctx.refuse(StatusCode::CONFLICT, "proposal-other"));
    }
    if reason.trim().is_empty() {
        return Err(ctx.refuse(StatusCode::UNPROCESSABLE_ENTITY, "proposal-why"));
    }
    if view.signers.iter().any(|signer| signer.name == ctx.person.name) {
        return Err(refused(ctx, Refused::Twice));
    }
    let person = backer(ctx, reason);
    let (on, why) = (named(Some(id), hash), person.why.clone());
    record(ctx, "policy-sign", &on, &why).await?;
    let (app, needed) = (Arc::clone(ctx.app()), review.needed);
    let signed = heavy(ctx, move || {
        // It may have been read anew since it was compared.
        match digest(&app.known().text) == view.base {
            true => app.proposals().sign(id, person, needed).map(Some),
            false => Ok(None),
        }
    });
    let signed = signed.await?.map_err(|why| refused(ctx, why))?;
    let enough = signed.ok_or_else(|| changed(ctx))?;
    if enough {
        record(ctx, "policy-signed", &on, "").await?;
    }
    Ok(enough)
}

/// Takes one back: who handed it in, or may sign it.
///
/// # Errors
/// Where the person may not.
pub async fn withdraw(ctx: &Ctx, id: u64, reason: &str) -> Result<(), Refusal> {
    let kept = ctx.app().proposals().get(id).cloned();
    let kept = kept.filter(|kept| concerns(ctx, kept));
    let kept = kept.ok_or_else(|| refused(ctx, Refused::Unknown))?;
    if !may_withdraw(ctx, &kept.by) {
        return Err(ctx.refuse(StatusCode::FORBIDDEN, "error-role"));
    }
    record(
        ctx,
        "policy-withdraw",
        &named(Some(id), &kept.hash),
        &cut(reason, REASON),
    )
    .await?;
    let app = Arc::clone(ctx.app());
    let removed = heavy(ctx, move || app.proposals().remove(id));
    removed.await?.map_err(|why| refused(ctx, why))
}

fn may_withdraw(ctx: &Ctx, by: &Backer) -> bool {
    by.name == ctx.person.name || ctx.person.sees_city() && ctx.may_anywhere(Deed::SignPolicy)
}

/// The signed form as a file. It holds the whole city file: for who answers for the whole city.
///
/// # Errors
/// Where the person may not, or it is not signed yet.
pub async fn file(ctx: &Ctx, id: u64) -> Result<Response, Refusal> {
    let kept = ctx.app().proposals().get(id).cloned();
    let kept = kept.filter(|kept| concerns(ctx, kept));
    let kept = kept.ok_or_else(|| refused(ctx, Refused::Unknown))?;
    if !ctx.person.sees_city() {
        return Err(ctx.refuse(StatusCode::FORBIDDEN, "error-city-only"));
    }
    record(ctx, "policy-file", &named(Some(id), &kept.hash), "").await?;
    let app = Arc::clone(ctx.app());
    let text = heavy(ctx, move || app.proposals().signed(id)).await?;
    let text = text.map_err(|why| refused(ctx, why))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"policy-{id}.signed\""),
        ),
    ];
    Ok((headers, text).into_response())
}
