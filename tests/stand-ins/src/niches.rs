//! What accounts are about: the words that generated profiles are made of.

/// A kind of account.
#[derive(Debug)]
pub(crate) struct Niche {
    /// Words in a username that suggest it.
    pub(crate) hints: &'static [&'static str],
    /// Instagram's business categories.
    pub(crate) categories: &'static [&'static str],
    /// What people of this kind call themselves.
    pub(crate) titles: &'static [&'static str],
    /// Lines of a biography.
    pub(crate) bio_lines: &'static [&'static str],
    /// Hashtags, without `#`.
    pub(crate) hashtags: &'static [&'static str],
    /// Captions.
    pub(crate) captions: &'static [&'static str],
}

/// An account that everybody knows.
#[derive(Debug)]
pub(crate) struct Persona {
    /// The username.
    pub(crate) username: &'static str,
    /// The name shown.
    pub(crate) full_name: &'static str,
    /// The biography.
    pub(crate) biography: &'static str,
    /// The link.
    pub(crate) website: &'static str,
    /// Instagram's business category.
    pub(crate) category: &'static str,
    /// Followers.
    pub(crate) followers: u64,
    /// Accounts followed.
    pub(crate) follows: u64,
    /// Posts in all.
    pub(crate) posts: u64,
    /// Which niche its posts come from: an index into [`NICHES`].
    pub(crate) niche: usize,
}

/// Cities that profiles and posts name.
pub(crate) const PLACES: &[&str] = &[
    "London, United Kingdom",
    "Austin, Texas",
    "Lisbon, Portugal",
    "Toronto, Ontario",
    "Berlin, Germany",
    "Sydney, Australia",
    "Brooklyn, New York",
    "Barcelona, Spain",
    "Cape Town, South Africa",
    "Dublin, Ireland",
    "Los Angeles, California",
    "Amsterdam, Netherlands",
    "Singapore",
    "Dubai, United Arab Emirates",
    "Paris, France",
];

/// First names of generated people.
pub(crate) const FIRST_NAMES: &[&str] = &[
    "Maya", "Daniel", "Sofia", "Liam", "Aisha", "Noah", "Elena", "Marcus", "Hannah", "Diego", "Priya",
    "Oliver", "Chloé", "Kenji", "Ingrid", "Samuel", "Leila", "Tom", "Zanele", "Mateo",
];

/// Last names of generated people.
pub(crate) const LAST_NAMES: &[&str] = &[
    "Hart",
    "Silva",
    "Novak",
    "Okafor",
    "Lindqvist",
    "Brooks",
    "Moreau",
    "Tanaka",
    "Reyes",
    "Walsh",
    "Kaur",
    "Meyer",
    "Santos",
    "Ferrari",
    "Dlamini",
    "Clarke",
];

/// The niches. [`SPACE`], [`WILDLIFE`] and [`SPORT`] are positions in this list.
pub(crate) const NICHES: &[Niche] = &[
    Niche {
        hints: &["space", "astro", "star", "moon"],
        categories: &["Science, technology & engineering", "Education"],
        titles: &["Astronomy Writer", "Night Sky Photographer"],
        bio_lines: &[
            "Explaining the universe, one photo at a time 🚀",
            "Space news, weekly",
            "Telescope owner, coffee drinker",
        ],
        hashtags: &["space", "astronomy", "science", "universe", "stars", "moon", "telescope", "cosmos"],
        captions: &[
            "A galaxy 60 million light-years away, seen in infrared for the first time.",
            "Splashdown! The crew is back on Earth after 164 days in orbit.",
            "What would you ask an astronaut? Leave your question below 👇",
            "The Moon tonight, at 98 % illumination. Did you see it?",
            "Engines lit: the last test before launch took eight minutes.",
            "This is not a painting. It is the dust around a newborn star.",
        ],
    },
    Niche {
        hints: &["wild", "nature", "animal", "outdoor"],
        categories: &["Nature preserve", "Photographer", "Media/news company"],
        titles: &["Wildlife Photographer", "Conservation Storyteller"],
        bio_lines: &[
            "Stories from wild places 🌍",
            "Ethical wildlife photography",
            "Prints fund reforestation",
        ],
        hashtags: &[
            "wildlife",
            "nature",
            "conservation",
            "wildlifephotography",
            "ocean",
            "animals",
            "explore",
            "planet",
        ],
        captions: &[
            "A snow leopard crosses the ridge at dawn. It took three weeks to see her once.",
            "Coral can recover. This reef was grey only four years ago.",
            "The migration has begun: 1.3 million animals on the move.",
            "Look closely: there are two owls in this photo 🦉",
            "Working with local rangers for a decade has brought the herd back.",
            "Quiet mornings at the river teach patience.",
        ],
    },
    Niche {
        hints: &["sport", "run", "athlet", "football", "swim"],
        categories: &["Sportswear store", "Athlete", "Sports team"],
        titles: &["Running Coach", "Marathoner"],
        bio_lines: &["Training for the next finish line 🏁", "Run coach · free plan below", "Sub-3 chaser"],
        hashtags: &[
            "running",
            "justdoit",
            "training",
            "athlete",
            "marathon",
            "sport",
            "motivation",
            "runners",
        ],
        captions: &[
            "Nobody saw the 5 a.m. sessions. Everybody sees the finish line.",
            "New shoes, same hills. Where are you running today?",
            "Rest is training too. Take it.",
            "26.2 miles, one decision at a time.",
            "She was told she was too small for this sport. Watch her now.",
            "Race week checklist: sleep, carbs, trust.",
        ],
    },
    Niche {
        hints: &["fit", "gym", "yoga", "health", "pilates", "coach"],
        categories: &["Fitness trainer", "Gym/physical fitness center", "Health/beauty"],
        titles: &["Online Fitness Coach", "Certified Personal Trainer", "Yoga Teacher"],
        bio_lines: &[
            "Helping busy people get strong 💪",
            "Online coaching · 12-week programmes",
            "Evidence over fads",
            "DM ‘START’ to apply",
        ],
        hashtags: &[
            "fitness",
            "strengthtraining",
            "workout",
            "fitnesscoach",
            "healthylifestyle",
            "gym",
            "mobility",
            "nutrition",
        ],
        captions: &[
            "Three exercises I would give every desk worker. Save this for Monday.",
            "Client win: 9 kg down and her first pull-up 🎉",
            "You do not need more motivation. You need a smaller first step.",
            "Protein, sleep, steps. In that order.",
            "Form check: what I fix first in every deadlift.",
            "Coaching spots for next month are open, link in bio.",
        ],
    },
    Niche {
        hints: &["food", "kitchen", "chef", "bake", "cook", "eat", "coffee"],
        categories: &["Restaurant", "Food & beverage company", "Kitchen/cooking", "Chef"],
        titles: &["Recipe Developer", "Home Cook", "Pastry Chef"],
        bio_lines: &[
            "Simple recipes for weeknights 🍋",
            "Cookbook out now",
            "Seasonal, mostly plants",
            "Collabs by email",
        ],
        hashtags: &[
            "recipes",
            "foodie",
            "homecooking",
            "easyrecipes",
            "foodphotography",
            "baking",
            "vegetarian",
            "dinnerideas",
        ],
        captions: &[
            "One-pan lemon orzo, ready in 25 minutes. Recipe below 👇",
            "The secret to this crust is patience (and cold butter).",
            "Sunday batch cooking: four lunches, one hour.",
            "Tomatoes are finally in season and I am not okay.",
            "You asked for the focaccia recipe. Here it is.",
            "What should I cook next? Best comment wins.",
        ],
    },
    Niche {
        hints: &["travel", "trip", "nomad", "wander", "tour"],
        categories: &["Travel company", "Blogger", "Digital creator"],
        titles: &["Slow Traveller", "Travel Writer", "Digital Nomad"],
        bio_lines: &[
            "47 countries, one backpack ✈️",
            "Guides & itineraries below",
            "Slow travel, fast Wi-Fi",
        ],
        hashtags: &[
            "travel",
            "slowtravel",
            "wanderlust",
            "traveltips",
            "solotravel",
            "hiddengems",
            "digitalnomad",
            "itinerary",
        ],
        captions: &[
            "Three days in the old town for under €200. Full itinerary in bio.",
            "We missed the train and found this bakery instead.",
            "Five things I wish I knew before travelling solo.",
            "Sunrise at the viewpoint: set the alarm, it is worth it.",
            "The best ferry ride in Europe costs less than a coffee.",
            "Where next? North or south?",
        ],
    },
    Niche {
        hints: &["style", "fashion", "wear", "boutique", "outfit"],
        categories: &["Clothing (brand)", "Fashion designer", "Shopping & retail"],
        titles: &["Sustainable Stylist", "Fashion Designer", "Capsule Wardrobe Coach"],
        bio_lines: &["Fewer, better clothes 🧵", "Made in small batches", "Styling sessions online"],
        hashtags: &[
            "sustainablefashion",
            "ootd",
            "capsulewardrobe",
            "slowfashion",
            "style",
            "linen",
            "madetolast",
            "outfitideas",
        ],
        captions: &[
            "Ten pieces, twenty outfits. Swipe for all of them →",
            "The linen shirt is back, in four new colours.",
            "What we mean when we say made to last.",
            "Cost per wear changed how I shop.",
            "Behind the scenes at our studio: cutting day ✂️",
            "Which one for a spring wedding, 1 or 2?",
        ],
    },
    Niche {
        hints: &["beauty", "skin", "hair", "makeup", "glow", "spa"],
        categories: &["Beauty, cosmetic & personal care", "Hair salon", "Skin care service"],
        titles: &["Licensed Esthetician", "Makeup Artist", "Skincare Founder"],
        bio_lines: &[
            "Skin first, make-up second ✨",
            "Licensed esthetician",
            "Book online 👇",
            "Cruelty-free always",
        ],
        hashtags: &[
            "skincare",
            "skincareroutine",
            "beautytips",
            "glowingskin",
            "crueltyfree",
            "makeup",
            "selfcare",
            "esthetician",
        ],
        captions: &[
            "The order matters: cleanse, treat, moisturise, protect.",
            "Before and after: twelve weeks, three products.",
            "Retinol for beginners, without the redness.",
            "Bookings for next month are open, link in bio.",
            "I tested eight sunscreens so that you do not have to.",
            "Your barrier is begging you to stop exfoliating.",
        ],
    },
    Niche {
        hints: &["home", "decor", "interior", "design", "diy", "garden"],
        categories: &["Home decor", "Interior design studio", "Home improvement"],
        titles: &["Interior Designer", "DIY Renovator", "Ceramicist"],
        bio_lines: &["Warm minimal homes 🏡", "E-design from anywhere", "Renovating a 1930s terrace"],
        hashtags: &[
            "interiordesign",
            "homedecor",
            "diyhome",
            "renovation",
            "smallspaces",
            "vintagehome",
            "livingroom",
            "homeinspo",
        ],
        captions: &[
            "This hallway took one weekend and £120.",
            "Before you buy a sofa, measure the door. Ask me how I know.",
            "Paint the ceiling. Trust me.",
            "Client reveal: a 38 m² flat that feels twice the size.",
            "Where to find vintage lamps that are not overpriced.",
            "Oak or walnut? The great debate continues.",
        ],
    },
    Niche {
        hints: &["tech", "code", "dev", "startup", "saas", "data"],
        categories: &["Software company", "Entrepreneur", "Science, technology & engineering"],
        titles: &["Indie Founder", "Product Designer", "Software Engineer"],
        bio_lines: &[
            "Building in public 🛠️",
            "Bootstrapped to $20k MRR",
            "Weekly notes on product",
            "Ex-agency, now SaaS",
        ],
        hashtags: &[
            "buildinpublic",
            "startup",
            "saas",
            "productdesign",
            "indiehacker",
            "tech",
            "uxdesign",
            "founder",
        ],
        captions: &[
            "We removed half of our features and churn went down.",
            "A year ago this was a spreadsheet.",
            "How we found our first 100 customers without ads.",
            "Desk setup, 2026 edition.",
            "Hiring our first engineer: what we got wrong.",
            "The pricing page that doubled our conversions.",
        ],
    },
    Niche {
        hints: &["biz", "marketing", "agency", "brand", "growth", "social", "studio"],
        categories: &["Marketing agency", "Business consultant", "Entrepreneur"],
        titles: &["Brand Strategist", "Marketing Mentor", "Social Media Manager"],
        bio_lines: &[
            "Marketing for small brands 📈",
            "From invisible to booked out",
            "Free content planner 👇",
            "Podcast host",
        ],
        hashtags: &[
            "smallbusiness",
            "marketingtips",
            "contentstrategy",
            "branding",
            "socialmediatips",
            "entrepreneur",
            "emailmarketing",
            "growth",
        ],
        captions: &[
            "Your bio has three seconds. Use them like this.",
            "Stop posting daily. Start posting with a reason.",
            "The email that brought in 40 % of last month's sales.",
            "Client results: 3 launches, 1 simple funnel.",
            "Five hooks you may steal today.",
            "Raise your prices. Here is how to say it.",
        ],
    },
    Niche {
        hints: &["photo", "art", "film", "paint", "music", "illustr"],
        categories: &["Artist", "Photographer", "Musician/band"],
        titles: &["Portrait Photographer", "Illustrator", "Printmaker"],
        bio_lines: &[
            "Film & natural light 🎞️",
            "Prints in the shop",
            "Commissions open",
            "Based between studios",
        ],
        hashtags: &[
            "art",
            "photography",
            "filmphotography",
            "illustration",
            "artprints",
            "portrait",
            "studio",
            "creative",
        ],
        captions: &[
            "Shot on the last roll of a discontinued film.",
            "Work in progress. The blue is not right yet.",
            "New prints are in the shop, edition of 50.",
            "Light like this lasts four minutes.",
            "Every sketchbook has its bad pages. Here are mine.",
            "A portrait session with no plan at all.",
        ],
    },
];

/// Position of the space niche.
pub(crate) const SPACE: usize = 0;
/// Position of the wildlife niche.
pub(crate) const WILDLIFE: usize = 1;
/// Position of the sport niche.
pub(crate) const SPORT: usize = 2;

/// The known accounts.
pub(crate) const PERSONAS: &[Persona] = &[
    Persona {
        username: "nasa",
        full_name: "NASA",
        biography: "🚀 🌎 Exploring the universe and our home planet.",
        website: "https://www.nasa.gov",
        category: "Government organization",
        followers: 97_800_000,
        follows: 77,
        posts: 4_460,
        niche: SPACE,
    },
    Persona {
        username: "natgeo",
        full_name: "National Geographic",
        biography: "Inspiring the explorer in everyone 🌎",
        website: "https://www.nationalgeographic.com",
        category: "Media/news company",
        followers: 279_000_000,
        follows: 187,
        posts: 31_200,
        niche: WILDLIFE,
    },
    Persona {
        username: "nike",
        full_name: "Nike",
        biography: "Spotlighting athlete* and 👟 stories\n*If you have a body, you are an athlete.",
        website: "https://www.nike.com",
        category: "Sportswear store",
        followers: 300_000_000,
        follows: 240,
        posts: 1_640,
        niche: SPORT,
    },
    Persona {
        username: "starbucks",
        full_name: "Starbucks Coffee",
        biography: "Inspiring and nurturing the human spirit, one cup at a time ☕️",
        website: "https://www.starbucks.com",
        category: "Food & beverage company",
        followers: 17_800_000,
        follows: 480,
        posts: 2_900,
        niche: 4,
    },
    Persona {
        username: "airbnb",
        full_name: "Airbnb",
        biography: "Stays, experiences and services all over the world.",
        website: "https://www.airbnb.com",
        category: "Travel company",
        followers: 5_900_000,
        follows: 330,
        posts: 3_950,
        niche: 5,
    },
];
