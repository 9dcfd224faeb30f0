//! The posts of a generated account.

use crate::{
    niches::PLACES,
    profiles::{Account, MOST_POSTS, Outcome, injection},
    random::{log_normal, pick, seeded},
};
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use rand::{Rng, RngExt, rngs::StdRng};
use serde_json::{Value, json};

/// An account's posts, in the order in which Instagram shows them: pinned ones, then the newest.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    account: &'a Account,
    today: Date,
    /// Average days between two posts.
    pace_days: f64,
    /// Whether and how this account hides its likes.
    hidden_likes: Option<Value>,
    pinned: usize,
    first_caption: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Image,
    Sidecar,
    Reel,
    Video,
}

impl<'a> Feed<'a> {
    /// The posts of an account as they stand on a day.
    pub(crate) fn of(account: &'a Account, today: Date) -> Self {
        let mut rng = seeded(&format!("feed {}", account.username));
        Self {
            account,
            today,
            pace_days: rng.random_range(0.7..6.0),
            hidden_likes: rng
                .random_bool(0.12)
                .then(|| if rng.random_bool(0.5) { json!(-1) } else { Value::Null }),
            pinned: if rng.random_bool(0.25) { rng.random_range(1..=2) } else { 0 },
            first_caption: rng.random_range(0..6),
        }
    }

    /// The first `limit` posts.
    pub(crate) fn items(&self, limit: usize) -> Vec<Value> {
        let count = MOST_POSTS.min(self.account.posts_count as usize).min(limit);
        let mut minutes_ago = 0;
        (0..count)
            .map(|index| {
                let mut rng = seeded(&format!("post {} {index}", self.account.username));
                let rng = &mut rng;
                let is_pinned = index < self.pinned;
                let age = if is_pinned {
                    rng.random_range(400..700) * 1_440
                } else {
                    minutes_ago += 1 + (self.pace_days * 1_440.0 * rng.random_range(0.3..1.7)) as i64;
                    minutes_ago
                };
                self.item(index, age, is_pinned, rng)
            })
            .collect()
    }

    /// One post, `age` minutes before the day began.
    fn item(&self, index: usize, age: i64, is_pinned: bool, rng: &mut StdRng) -> Value {
        let account = self.account;
        let kind = match rng.random_range(0..100) {
            0..30 => Kind::Image,
            30..60 => Kind::Sidecar,
            60..95 => Kind::Reel,
            _ => Kind::Video,
        };
        let reach = match kind {
            Kind::Reel => 1.35,
            Kind::Sidecar => 1.1,
            _ => 0.85,
        } * if is_pinned { 3.0 } else { 1.0 };
        let interactions = account.followers as f64 * account.engagement * reach * log_normal(rng, 1.0, 0.35);
        let likes = (interactions as u64).min(account.followers * 2);
        let comments = (interactions * rng.random_range(0.008..0.045)) as u64;
        let (caption, hashtags, mentions) = self.caption(index, rng);
        let short_code = short_code(rng);
        let id = rng.random_range(2_900_000_000_000_000_000_u64..3_700_000_000_000_000_000).to_string();
        let image = |n: usize| format!("https://scontent.cdninstagram.com/v/t51.2885-15/{id}_{n}.jpg");
        let slides = if kind == Kind::Sidecar { rng.random_range(2..=8) } else { 0 };

        let mut item = json!({
            "id": id,
            "type": match kind { Kind::Image => "Image", Kind::Sidecar => "Sidecar", Kind::Reel | Kind::Video => "Video" },
            "shortCode": short_code, "caption": caption, "hashtags": hashtags, "mentions": mentions,
            "url": format!("https://www.instagram.com/p/{short_code}/"),
            "commentsCount": comments, "likesCount": self.likes_shown(likes, rng),
            "dimensionsHeight": if kind == Kind::Reel { 1_920 } else { 1_350 }, "dimensionsWidth": 1_080,
            "displayUrl": image(0), "images": (1..=slides).map(image).collect::<Vec<_>>(),
            "alt": format!("Photo by {} on Instagram.", account.username),
            "timestamp": self.timestamp(age), "ownerUsername": account.username, "ownerId": account.id,
            "childPosts": (1..=slides).map(|n| json!({
                "id": format!("{id}{n}"), "type": "Image", "displayUrl": image(n), "likesCount": null,
            })).collect::<Vec<_>>(),
            "isCommentsDisabled": false,
        });
        if matches!(kind, Kind::Reel | Kind::Video) {
            let views = (interactions * rng.random_range(6.0..22.0)) as u64;
            item["videoViewCount"] = json!(views);
            item["videoPlayCount"] = json!(views * 2);
            item["videoDuration"] = json!((rng.random_range(6.0..89.0_f64) * 10.0).round() / 10.0);
            item["videoUrl"] = json!(format!("https://scontent.cdninstagram.com/v/t50/{id}.mp4"));
        }
        if kind == Kind::Reel {
            item["productType"] = json!("clips");
            item["musicInfo"] = json!({ "artist_name": account.username, "song_name": "Original audio", "uses_original_audio": true });
        }
        if is_pinned {
            item["isPinned"] = json!(true);
        }
        if comments > 0 && rng.random_bool(0.6) {
            item["firstComment"] =
                json!(pick(rng, &["Love this!", "So helpful, thank you 🙏", "🔥🔥", "Saving this one."]));
        }
        if rng.random_bool(0.3) {
            item["locationName"] =
                json!(if rng.random_bool(0.7) { account.place } else { pick(rng, PLACES) });
        }
        if rng.random_bool(0.04) {
            item["isSponsored"] = json!(true);
        }
        item
    }

    /// Some accounts hide the likes of some posts: as -1 or as null.
    fn likes_shown(&self, likes: u64, rng: &mut impl Rng) -> Value {
        match &self.hidden_likes {
            Some(hidden) if rng.random_bool(0.7) => hidden.clone(),
            _ => json!(likes),
        }
    }

    fn caption(&self, index: usize, rng: &mut impl Rng) -> (String, Vec<&'static str>, Vec<&'static str>) {
        let niche = self.account.niche;
        // Steps of five through lists of six: neighbours differ, and every account begins elsewhere.
        let mut text = niche.captions[(self.first_caption + index * 5) % niche.captions.len()].to_owned();
        if self.account.outcome == Outcome::Injected {
            text = format!("{} {text}", injection(&self.account.username));
        }
        let first = rng.random_range(0..niche.hashtags.len());
        let hashtags: Vec<_> = (0..rng.random_range(2..=5))
            .map(|n| niche.hashtags[(first + n) % niche.hashtags.len()])
            .collect();
        let mentions: Vec<_> = if rng.random_bool(0.2) { vec!["studio.north"] } else { vec![] };
        for mention in &mentions {
            text.push_str(&format!(" With @{mention}."));
        }
        let tags: Vec<_> = hashtags.iter().map(|tag| format!("#{tag}")).collect();
        (format!("{text}\n\n{}", tags.join(" ")), hashtags, mentions)
    }

    fn timestamp(&self, minutes_before_today: i64) -> String {
        let midnight = self.today.at(0, 0, 0, 0);
        let time = midnight.checked_sub(minutes_before_today.minutes()).unwrap_or(midnight);
        let zoned = time.to_zoned(TimeZone::UTC);
        zoned.map_or_else(|_| String::new(), |time| time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string())
    }
}

fn short_code(rng: &mut impl Rng) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..10).fold("C".to_owned(), |code, _| {
        code + char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]).encode_utf8(&mut [0; 4])
    })
}
