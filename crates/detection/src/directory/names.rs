//! Names and hosts that attackers borrow: products after which malicious applications call themselves,
//! characters that look like others, hosts that anybody gets for free, and issuers that federated credentials
//! usually have.

/// Names of well-known products in folded form: lower case, letters and digits alone. Sorted. To compare a
/// name with them, fold both sides ([`CONFUSABLES`], then [`TRICKS`]): the tricks change honest names as well
/// (`github` becomes `glthub`), so only the skeletons of both are comparable. Short ones (`box`, `duo`) must
/// be the whole name; longer ones may stand within it.
pub(crate) const WELL_KNOWN: &[&str] = &[
    "adobe",
    "adobeacrobat",
    "adobedrive",
    "adobesign",
    "amazon",
    "amazonwebservices",
    "apple",
    "asana",
    "atlassian",
    "azure",
    "azureactivedirectory",
    "azureactivedirectorypowershell",
    "azuread",
    "azureadconnect",
    "azurebackup",
    "azurecli",
    "azuredevops",
    "azurekeyvault",
    "azuremonitor",
    "azureportal",
    "azurepowershell",
    "azurestorage",
    "bitwarden",
    "box",
    "citrix",
    "cloudflare",
    "commvault",
    "confluence",
    "copilot",
    "crowdstrike",
    "databricks",
    "datadog",
    "docusign",
    "dropbox",
    "duo",
    "dynamics365",
    "entraid",
    "exchangeonline",
    "facebook",
    "github",
    "gitlab",
    "gmail",
    "google",
    "googledrive",
    "gotomeeting",
    "graphexplorer",
    "hashicorp",
    "hubspot",
    "jenkins",
    "jira",
    "lastpass",
    "linkedin",
    "mailchimp",
    "microsoft",
    "microsoft365",
    "microsoftaccount",
    "microsoftauthenticationbroker",
    "microsoftauthenticator",
    "microsoftazurecli",
    "microsoftazurepowershell",
    "microsoftcopilot",
    "microsoftdefender",
    "microsoftdynamics365",
    "microsoftentra",
    "microsoftentraconnect",
    "microsoftflow",
    "microsoftforms",
    "microsoftgraph",
    "microsoftgraphexplorer",
    "microsoftgraphpowershell",
    "microsoftintune",
    "microsoftoffice",
    "microsoftonline",
    "microsoftplanner",
    "microsoftsecurity",
    "microsoftsentinel",
    "microsoftsupport",
    "microsoftteams",
    "microsofttodo",
    "microsoftupdate",
    "notion",
    "office365",
    "office365exchangeonline",
    "office365portal",
    "office365sharepointonline",
    "okta",
    "onedrive",
    "onedriveforbusiness",
    "onedrivesyncengine",
    "onenote",
    "onepassword",
    "outlook",
    "outlookmobile",
    "outlookweb",
    "powerapps",
    "powerautomate",
    "powerbi",
    "ringcentral",
    "rubrik",
    "salesforce",
    "sap",
    "servicenow",
    "sharepoint",
    "sharepointonline",
    "skypeforbusiness",
    "slack",
    "snowflake",
    "splunk",
    "teams",
    "terraform",
    "trello",
    "veeam",
    "visualstudio",
    "visualstudiocode",
    "vivaengage",
    "vmware",
    "webex",
    "windows365",
    "windowsazureactivedirectory",
    "windowsazureservicemanagementapi",
    "workday",
    "yammer",
    "zendesk",
    "zoom",
    "zoommeetings",
];

/// Letters that look like ASCII ones, of Cyrillic, Greek, Armenian, Latin with marks, small capitals, Roman
/// numerals, ligatures and full width, and what they look like in lower case. Sorted.
pub(crate) const CONFUSABLES: &[(char, &str)] = &[
    ('\u{c0}', "a"),     // À
    ('\u{c1}', "a"),     // Á
    ('\u{c2}', "a"),     // Â
    ('\u{c3}', "a"),     // Ã
    ('\u{c4}', "a"),     // Ä
    ('\u{c5}', "a"),     // Å
    ('\u{c6}', "ae"),    // Æ
    ('\u{c7}', "c"),     // Ç
    ('\u{c8}', "e"),     // È
    ('\u{c9}', "e"),     // É
    ('\u{ca}', "e"),     // Ê
    ('\u{cb}', "e"),     // Ë
    ('\u{cc}', "i"),     // Ì
    ('\u{cd}', "i"),     // Í
    ('\u{ce}', "i"),     // Î
    ('\u{cf}', "i"),     // Ï
    ('\u{d1}', "n"),     // Ñ
    ('\u{d2}', "o"),     // Ò
    ('\u{d3}', "o"),     // Ó
    ('\u{d4}', "o"),     // Ô
    ('\u{d5}', "o"),     // Õ
    ('\u{d6}', "o"),     // Ö
    ('\u{d8}', "o"),     // Ø
    ('\u{d9}', "u"),     // Ù
    ('\u{da}', "u"),     // Ú
    ('\u{db}', "u"),     // Û
    ('\u{dc}', "u"),     // Ü
    ('\u{dd}', "y"),     // Ý
    ('\u{df}', "b"),     // ß
    ('\u{e0}', "a"),     // à
    ('\u{e1}', "a"),     // á
    ('\u{e2}', "a"),     // â
    ('\u{e3}', "a"),     // ã
    ('\u{e4}', "a"),     // ä
    ('\u{e5}', "a"),     // å
    ('\u{e6}', "ae"),    // æ
    ('\u{e7}', "c"),     // ç
    ('\u{e8}', "e"),     // è
    ('\u{e9}', "e"),     // é
    ('\u{ea}', "e"),     // ê
    ('\u{eb}', "e"),     // ë
    ('\u{ec}', "i"),     // ì
    ('\u{ed}', "i"),     // í
    ('\u{ee}', "i"),     // î
    ('\u{ef}', "i"),     // ï
    ('\u{f1}', "n"),     // ñ
    ('\u{f2}', "o"),     // ò
    ('\u{f3}', "o"),     // ó
    ('\u{f4}', "o"),     // ô
    ('\u{f5}', "o"),     // õ
    ('\u{f6}', "o"),     // ö
    ('\u{f8}', "o"),     // ø
    ('\u{f9}', "u"),     // ù
    ('\u{fa}', "u"),     // ú
    ('\u{fb}', "u"),     // û
    ('\u{fc}', "u"),     // ü
    ('\u{fd}', "y"),     // ý
    ('\u{ff}', "y"),     // ÿ
    ('\u{100}', "a"),    // Ā
    ('\u{101}', "a"),    // ā
    ('\u{102}', "a"),    // Ă
    ('\u{103}', "a"),    // ă
    ('\u{104}', "a"),    // Ą
    ('\u{105}', "a"),    // ą
    ('\u{106}', "c"),    // Ć
    ('\u{107}', "c"),    // ć
    ('\u{108}', "c"),    // Ĉ
    ('\u{109}', "c"),    // ĉ
    ('\u{10a}', "c"),    // Ċ
    ('\u{10b}', "c"),    // ċ
    ('\u{10c}', "c"),    // Č
    ('\u{10d}', "c"),    // č
    ('\u{110}', "d"),    // Đ
    ('\u{111}', "d"),    // đ
    ('\u{112}', "e"),    // Ē
    ('\u{113}', "e"),    // ē
    ('\u{114}', "e"),    // Ĕ
    ('\u{115}', "e"),    // ĕ
    ('\u{116}', "e"),    // Ė
    ('\u{117}', "e"),    // ė
    ('\u{118}', "e"),    // Ę
    ('\u{119}', "e"),    // ę
    ('\u{11a}', "e"),    // Ě
    ('\u{11b}', "e"),    // ě
    ('\u{11c}', "g"),    // Ĝ
    ('\u{11d}', "g"),    // ĝ
    ('\u{11e}', "g"),    // Ğ
    ('\u{11f}', "g"),    // ğ
    ('\u{120}', "g"),    // Ġ
    ('\u{121}', "g"),    // ġ
    ('\u{122}', "g"),    // Ģ
    ('\u{123}', "g"),    // ģ
    ('\u{124}', "h"),    // Ĥ
    ('\u{125}', "h"),    // ĥ
    ('\u{127}', "h"),    // ħ
    ('\u{128}', "i"),    // Ĩ
    ('\u{129}', "i"),    // ĩ
    ('\u{12a}', "i"),    // Ī
    ('\u{12b}', "i"),    // ī
    ('\u{12c}', "i"),    // Ĭ
    ('\u{12d}', "i"),    // ĭ
    ('\u{12e}', "i"),    // Į
    ('\u{12f}', "i"),    // į
    ('\u{130}', "i"),    // İ
    ('\u{131}', "i"),    // ı
    ('\u{134}', "j"),    // Ĵ
    ('\u{135}', "j"),    // ĵ
    ('\u{136}', "k"),    // Ķ
    ('\u{137}', "k"),    // ķ
    ('\u{139}', "l"),    // Ĺ
    ('\u{13a}', "l"),    // ĺ
    ('\u{13b}', "l"),    // Ļ
    ('\u{13c}', "l"),    // ļ
    ('\u{13d}', "l"),    // Ľ
    ('\u{13e}', "l"),    // ľ
    ('\u{141}', "l"),    // Ł
    ('\u{142}', "l"),    // ł
    ('\u{143}', "n"),    // Ń
    ('\u{144}', "n"),    // ń
    ('\u{145}', "n"),    // Ņ
    ('\u{146}', "n"),    // ņ
    ('\u{147}', "n"),    // Ň
    ('\u{148}', "n"),    // ň
    ('\u{14c}', "o"),    // Ō
    ('\u{14d}', "o"),    // ō
    ('\u{14e}', "o"),    // Ŏ
    ('\u{14f}', "o"),    // ŏ
    ('\u{150}', "o"),    // Ő
    ('\u{151}', "o"),    // ő
    ('\u{152}', "oe"),   // Œ
    ('\u{153}', "oe"),   // œ
    ('\u{154}', "r"),    // Ŕ
    ('\u{155}', "r"),    // ŕ
    ('\u{156}', "r"),    // Ŗ
    ('\u{157}', "r"),    // ŗ
    ('\u{158}', "r"),    // Ř
    ('\u{159}', "r"),    // ř
    ('\u{15a}', "s"),    // Ś
    ('\u{15b}', "s"),    // ś
    ('\u{15c}', "s"),    // Ŝ
    ('\u{15d}', "s"),    // ŝ
    ('\u{15e}', "s"),    // Ş
    ('\u{15f}', "s"),    // ş
    ('\u{160}', "s"),    // Š
    ('\u{161}', "s"),    // š
    ('\u{162}', "t"),    // Ţ
    ('\u{163}', "t"),    // ţ
    ('\u{164}', "t"),    // Ť
    ('\u{165}', "t"),    // ť
    ('\u{167}', "t"),    // ŧ
    ('\u{168}', "u"),    // Ũ
    ('\u{169}', "u"),    // ũ
    ('\u{16a}', "u"),    // Ū
    ('\u{16b}', "u"),    // ū
    ('\u{16c}', "u"),    // Ŭ
    ('\u{16d}', "u"),    // ŭ
    ('\u{16e}', "u"),    // Ů
    ('\u{16f}', "u"),    // ů
    ('\u{170}', "u"),    // Ű
    ('\u{171}', "u"),    // ű
    ('\u{172}', "u"),    // Ų
    ('\u{173}', "u"),    // ų
    ('\u{174}', "w"),    // Ŵ
    ('\u{175}', "w"),    // ŵ
    ('\u{176}', "y"),    // Ŷ
    ('\u{177}', "y"),    // ŷ
    ('\u{178}', "y"),    // Ÿ
    ('\u{179}', "z"),    // Ź
    ('\u{17a}', "z"),    // ź
    ('\u{17b}', "z"),    // Ż
    ('\u{17c}', "z"),    // ż
    ('\u{17d}', "z"),    // Ž
    ('\u{17e}', "z"),    // ž
    ('\u{17f}', "s"),    // ſ
    ('\u{192}', "f"),    // ƒ
    ('\u{1c0}', "l"),    // ǀ
    ('\u{1cd}', "a"),    // Ǎ
    ('\u{1ce}', "a"),    // ǎ
    ('\u{1cf}', "i"),    // Ǐ
    ('\u{1d0}', "i"),    // ǐ
    ('\u{1d1}', "o"),    // Ǒ
    ('\u{1d2}', "o"),    // ǒ
    ('\u{1d3}', "u"),    // Ǔ
    ('\u{1d4}', "u"),    // ǔ
    ('\u{1e6}', "g"),    // Ǧ
    ('\u{1e7}', "g"),    // ǧ
    ('\u{1e8}', "k"),    // Ǩ
    ('\u{1e9}', "k"),    // ǩ
    ('\u{1ea}', "o"),    // Ǫ
    ('\u{1eb}', "o"),    // ǫ
    ('\u{1f0}', "j"),    // ǰ
    ('\u{1f4}', "g"),    // Ǵ
    ('\u{1f5}', "g"),    // ǵ
    ('\u{1f8}', "n"),    // Ǹ
    ('\u{1f9}', "n"),    // ǹ
    ('\u{21e}', "h"),    // Ȟ
    ('\u{21f}', "h"),    // ȟ
    ('\u{226}', "a"),    // Ȧ
    ('\u{227}', "a"),    // ȧ
    ('\u{228}', "e"),    // Ȩ
    ('\u{229}', "e"),    // ȩ
    ('\u{22e}', "o"),    // Ȯ
    ('\u{22f}', "o"),    // ȯ
    ('\u{232}', "y"),    // Ȳ
    ('\u{233}', "y"),    // ȳ
    ('\u{251}', "a"),    // ɑ
    ('\u{252}', "a"),    // ɒ
    ('\u{261}', "g"),    // ɡ
    ('\u{262}', "g"),    // ɢ
    ('\u{269}', "i"),    // ɩ
    ('\u{26a}', "i"),    // ɪ
    ('\u{26b}', "l"),    // ɫ
    ('\u{26f}', "w"),    // ɯ
    ('\u{274}', "n"),    // ɴ
    ('\u{280}', "r"),    // ʀ
    ('\u{28f}', "y"),    // ʏ
    ('\u{299}', "b"),    // ʙ
    ('\u{29c}', "h"),    // ʜ
    ('\u{29f}', "l"),    // ʟ
    ('\u{391}', "a"),    // Α
    ('\u{392}', "b"),    // Β
    ('\u{395}', "e"),    // Ε
    ('\u{396}', "z"),    // Ζ
    ('\u{397}', "h"),    // Η
    ('\u{399}', "i"),    // Ι
    ('\u{39a}', "k"),    // Κ
    ('\u{39c}', "m"),    // Μ
    ('\u{39d}', "n"),    // Ν
    ('\u{39f}', "o"),    // Ο
    ('\u{3a1}', "p"),    // Ρ
    ('\u{3a4}', "t"),    // Τ
    ('\u{3a5}', "y"),    // Υ
    ('\u{3a7}', "x"),    // Χ
    ('\u{3ac}', "a"),    // ά
    ('\u{3ad}', "e"),    // έ
    ('\u{3ae}', "n"),    // ή
    ('\u{3af}', "i"),    // ί
    ('\u{3b1}', "a"),    // α
    ('\u{3b2}', "b"),    // β
    ('\u{3b3}', "y"),    // γ
    ('\u{3b5}', "e"),    // ε
    ('\u{3b7}', "n"),    // η
    ('\u{3b9}', "i"),    // ι
    ('\u{3ba}', "k"),    // κ
    ('\u{3bd}', "v"),    // ν
    ('\u{3bf}', "o"),    // ο
    ('\u{3c1}', "p"),    // ρ
    ('\u{3c3}', "o"),    // σ
    ('\u{3c4}', "t"),    // τ
    ('\u{3c5}', "u"),    // υ
    ('\u{3c7}', "x"),    // χ
    ('\u{3c9}', "w"),    // ω
    ('\u{3cc}', "o"),    // ό
    ('\u{3cd}', "u"),    // ύ
    ('\u{3f2}', "c"),    // ϲ
    ('\u{3f3}', "j"),    // ϳ
    ('\u{3f9}', "c"),    // Ϲ
    ('\u{401}', "e"),    // Ё
    ('\u{405}', "s"),    // Ѕ
    ('\u{406}', "i"),    // І
    ('\u{407}', "i"),    // Ї
    ('\u{408}', "j"),    // Ј
    ('\u{410}', "a"),    // А
    ('\u{412}', "b"),    // В
    ('\u{415}', "e"),    // Е
    ('\u{41a}', "k"),    // К
    ('\u{41c}', "m"),    // М
    ('\u{41d}', "h"),    // Н
    ('\u{41e}', "o"),    // О
    ('\u{420}', "p"),    // Р
    ('\u{421}', "c"),    // С
    ('\u{422}', "t"),    // Т
    ('\u{423}', "y"),    // У
    ('\u{425}', "x"),    // Х
    ('\u{430}', "a"),    // а
    ('\u{432}', "b"),    // в
    ('\u{433}', "r"),    // г
    ('\u{435}', "e"),    // е
    ('\u{437}', "3"),    // з
    ('\u{43a}', "k"),    // к
    ('\u{43c}', "m"),    // м
    ('\u{43d}', "h"),    // н
    ('\u{43e}', "o"),    // о
    ('\u{43f}', "n"),    // п
    ('\u{440}', "p"),    // р
    ('\u{441}', "c"),    // с
    ('\u{442}', "t"),    // т
    ('\u{443}', "y"),    // у
    ('\u{445}', "x"),    // х
    ('\u{44c}', "b"),    // ь
    ('\u{451}', "e"),    // ё
    ('\u{455}', "s"),    // ѕ
    ('\u{456}', "i"),    // і
    ('\u{457}', "i"),    // ї
    ('\u{458}', "j"),    // ј
    ('\u{474}', "v"),    // Ѵ
    ('\u{475}', "v"),    // ѵ
    ('\u{4ae}', "y"),    // Ү
    ('\u{4af}', "y"),    // ү
    ('\u{4bb}', "h"),    // һ
    ('\u{4c0}', "l"),    // Ӏ
    ('\u{4cf}', "l"),    // ӏ
    ('\u{500}', "d"),    // Ԁ
    ('\u{501}', "d"),    // ԁ
    ('\u{50d}', "g"),    // ԍ
    ('\u{51a}', "q"),    // Ԛ
    ('\u{51b}', "q"),    // ԛ
    ('\u{51c}', "w"),    // Ԝ
    ('\u{51d}', "w"),    // ԝ
    ('\u{53c}', "l"),    // Լ
    ('\u{54d}', "u"),    // Ս
    ('\u{54f}', "s"),    // Տ
    ('\u{555}', "o"),    // Օ
    ('\u{566}', "q"),    // զ
    ('\u{570}', "h"),    // հ
    ('\u{578}', "n"),    // ո
    ('\u{57d}', "u"),    // ս
    ('\u{581}', "g"),    // ց
    ('\u{585}', "o"),    // օ
    ('\u{966}', "o"),    // ०
    ('\u{9e6}', "o"),    // ০
    ('\u{15c5}', "a"),   // ᗅ
    ('\u{1d00}', "a"),   // ᴀ
    ('\u{1d04}', "c"),   // ᴄ
    ('\u{1d05}', "d"),   // ᴅ
    ('\u{1d07}', "e"),   // ᴇ
    ('\u{1d0a}', "j"),   // ᴊ
    ('\u{1d0b}', "k"),   // ᴋ
    ('\u{1d0d}', "m"),   // ᴍ
    ('\u{1d0f}', "o"),   // ᴏ
    ('\u{1d18}', "p"),   // ᴘ
    ('\u{1d1b}', "t"),   // ᴛ
    ('\u{1d1c}', "u"),   // ᴜ
    ('\u{1d20}', "v"),   // ᴠ
    ('\u{1d21}', "w"),   // ᴡ
    ('\u{1d22}', "z"),   // ᴢ
    ('\u{2113}', "l"),   // ℓ
    ('\u{212e}', "e"),   // ℮
    ('\u{2160}', "l"),   // Ⅰ
    ('\u{2170}', "i"),   // ⅰ
    ('\u{2174}', "v"),   // ⅴ
    ('\u{2179}', "x"),   // ⅹ
    ('\u{217c}', "l"),   // ⅼ
    ('\u{217d}', "c"),   // ⅽ
    ('\u{217e}', "d"),   // ⅾ
    ('\u{217f}', "m"),   // ⅿ
    ('\u{3007}', "o"),   // 〇
    ('\u{a730}', "f"),   // ꜰ
    ('\u{a731}', "s"),   // ꜱ
    ('\u{a7b5}', "b"),   // ꞵ
    ('\u{fb00}', "ff"),  // ﬀ
    ('\u{fb01}', "fi"),  // ﬁ
    ('\u{fb02}', "fl"),  // ﬂ
    ('\u{fb03}', "ffi"), // ﬃ
    ('\u{fb04}', "ffl"), // ﬄ
    ('\u{ff10}', "0"),   // ０
    ('\u{ff11}', "1"),   // １
    ('\u{ff12}', "2"),   // ２
    ('\u{ff13}', "3"),   // ３
    ('\u{ff14}', "4"),   // ４
    ('\u{ff15}', "5"),   // ５
    ('\u{ff16}', "6"),   // ６
    ('\u{ff17}', "7"),   // ７
    ('\u{ff18}', "8"),   // ８
    ('\u{ff19}', "9"),   // ９
    ('\u{ff21}', "a"),   // Ａ
    ('\u{ff22}', "b"),   // Ｂ
    ('\u{ff23}', "c"),   // Ｃ
    ('\u{ff24}', "d"),   // Ｄ
    ('\u{ff25}', "e"),   // Ｅ
    ('\u{ff26}', "f"),   // Ｆ
    ('\u{ff27}', "g"),   // Ｇ
    ('\u{ff28}', "h"),   // Ｈ
    ('\u{ff29}', "i"),   // Ｉ
    ('\u{ff2a}', "j"),   // Ｊ
    ('\u{ff2b}', "k"),   // Ｋ
    ('\u{ff2c}', "l"),   // Ｌ
    ('\u{ff2d}', "m"),   // Ｍ
    ('\u{ff2e}', "n"),   // Ｎ
    ('\u{ff2f}', "o"),   // Ｏ
    ('\u{ff30}', "p"),   // Ｐ
    ('\u{ff31}', "q"),   // Ｑ
    ('\u{ff32}', "r"),   // Ｒ
    ('\u{ff33}', "s"),   // Ｓ
    ('\u{ff34}', "t"),   // Ｔ
    ('\u{ff35}', "u"),   // Ｕ
    ('\u{ff36}', "v"),   // Ｖ
    ('\u{ff37}', "w"),   // Ｗ
    ('\u{ff38}', "x"),   // Ｘ
    ('\u{ff39}', "y"),   // Ｙ
    ('\u{ff3a}', "z"),   // Ｚ
    ('\u{ff41}', "a"),   // ａ
    ('\u{ff42}', "b"),   // ｂ
    ('\u{ff43}', "c"),   // ｃ
    ('\u{ff44}', "d"),   // ｄ
    ('\u{ff45}', "e"),   // ｅ
    ('\u{ff46}', "f"),   // ｆ
    ('\u{ff47}', "g"),   // ｇ
    ('\u{ff48}', "h"),   // ｈ
    ('\u{ff49}', "i"),   // ｉ
    ('\u{ff4a}', "j"),   // ｊ
    ('\u{ff4b}', "k"),   // ｋ
    ('\u{ff4c}', "l"),   // ｌ
    ('\u{ff4d}', "m"),   // ｍ
    ('\u{ff4e}', "n"),   // ｎ
    ('\u{ff4f}', "o"),   // ｏ
    ('\u{ff50}', "p"),   // ｐ
    ('\u{ff51}', "q"),   // ｑ
    ('\u{ff52}', "r"),   // ｒ
    ('\u{ff53}', "s"),   // ｓ
    ('\u{ff54}', "t"),   // ｔ
    ('\u{ff55}', "u"),   // ｕ
    ('\u{ff56}', "v"),   // ｖ
    ('\u{ff57}', "w"),   // ｗ
    ('\u{ff58}', "x"),   // ｘ
    ('\u{ff59}', "y"),   // ｙ
    ('\u{ff5a}', "z"),   // ｚ
];

/// Spellings in ASCII that look like others, after lower case, in the order of application: pairs first. `i`
/// and `1` both become `l`, so that `I`, `l`, `1` and `|` are one.
pub(crate) const TRICKS: &[(&str, &str)] = &[
    ("vv", "w"),
    ("rn", "m"),
    ("cl", "d"),
    ("0", "o"),
    ("1", "l"),
    ("|", "l"),
    ("!", "i"),
    ("3", "e"),
    ("4", "a"),
    ("5", "s"),
    ("7", "t"),
    ("8", "b"),
    ("@", "a"),
    ("$", "s"),
    ("i", "l"),
];

/// Endings of hosts that anybody gets in minutes and without a name: tunnels, free hosting, storage sites,
/// dynamic names, shorteners, catchers of requests. Many honest applications use them too: as the reply URL
/// or issuer of an application with rights over a tenant they are a sign, not a proof. Sorted; match the whole
/// host, or what follows a dot.
pub(crate) const THROWAWAY_HOSTS: &[&str] = &[
    "000webhostapp.com",
    "afraid.org",
    "aliyuncs.com",
    "amplifyapp.com",
    "app.github.dev",
    "appspot.com",
    "azureedge.net",
    "azurefd.net",
    "azurestaticapps.net",
    "azurewebsites.net",
    "backblazeb2.com",
    "beeceptor.com",
    "bit.ly",
    "bitbucket.io",
    "blob.core.windows.net",
    "blogspot.com",
    "bore.pub",
    "bubbleapps.io",
    "buff.ly",
    "burpcollaborator.net",
    "carrd.co",
    "changeip.com",
    "cloudapp.azure.com",
    "cloudfront.net",
    "cloudfunctions.net",
    "cutt.ly",
    "ddns.net",
    "ddnsfree.com",
    "deno.dev",
    "devtunnels.ms",
    "digitaloceanspaces.com",
    "duckdns.org",
    "dweb.link",
    "dyndns.org",
    "dynu.net",
    "elasticbeanstalk.com",
    "firebaseapp.com",
    "fly.dev",
    "framer.app",
    "framer.website",
    "freeddns.org",
    "gitbook.io",
    "github.io",
    "githubpreview.dev",
    "gitlab.io",
    "gitpod.io",
    "glitch.me",
    "godaddysites.com",
    "herokuapp.com",
    "hookbin.com",
    "hopto.org",
    "infinityfreeapp.com",
    "interact.sh",
    "ipfs.io",
    "is.gd",
    "jimdosite.com",
    "kozow.com",
    "lhr.life",
    "linodeobjects.com",
    "lnkd.in",
    "loca.lt",
    "localhost.run",
    "localtunnel.me",
    "localxpose.io",
    "loclx.io",
    "mooo.com",
    "myftp.org",
    "myqcloud.com",
    "mystrikingly.com",
    "netlify.app",
    "ngrok-free.app",
    "ngrok-free.dev",
    "ngrok.app",
    "ngrok.dev",
    "ngrok.io",
    "nip.io",
    "no-ip.org",
    "notion.site",
    "now.sh",
    "oast.fun",
    "oast.live",
    "oast.me",
    "oast.online",
    "oast.pro",
    "oast.site",
    "oastify.com",
    "on.aws",
    "ondigitalocean.app",
    "onrender.com",
    "ow.ly",
    "pagekite.me",
    "pages.dev",
    "pinggy.io",
    "pinggy.link",
    "pipedream.net",
    "playit.gg",
    "powerappsportals.com",
    "r2.dev",
    "railway.app",
    "rb.gy",
    "rebrand.ly",
    "repl.co",
    "replit.app",
    "replit.dev",
    "requestbin.net",
    "requestcatcher.com",
    "run.app",
    "s3.amazonaws.com",
    "serveftp.com",
    "serveo.net",
    "shorturl.at",
    "sites.google.com",
    "softr.app",
    "square.site",
    "sslip.io",
    "storage.cloud.google.com",
    "storage.googleapis.com",
    "surge.sh",
    "sytes.net",
    "t.co",
    "telebit.io",
    "tiny.cc",
    "tinyurl.com",
    "trycloudflare.com",
    "tunnelmole.net",
    "typedream.app",
    "v.gd",
    "vercel.app",
    "wasabisys.com",
    "web.app",
    "web.core.windows.net",
    "webflow.io",
    "webhook.site",
    "weebly.com",
    "weeblysite.com",
    "wixsite.com",
    "wordpress.com",
    "workers.dev",
    "zapto.org",
    "zrok.io",
];

/// Endings of hosts of well-known issuers of workload tokens. Most are shared by all customers, so the
/// subject says whose workload it is; with `accounts.google.com` and `cognito-identity.amazonaws.com` that may
/// be anybody's. EKS issuers (`oidc.eks.<region>.amazonaws.com`) have the region inside and are not here.
/// Sorted; match the whole host, or what follows a dot.
pub(crate) const CI_ISSUERS: &[&str] = &[
    "accounts.google.com",
    "agent.buildkite.com",
    "api.bitbucket.org",
    "api.pulumi.com",
    "app.eu.terraform.io",
    "app.harness.io",
    "app.spacelift.io",
    "app.terraform.io",
    "app.vssps.visualstudio.com",
    "app.vstoken.visualstudio.com",
    "cognito-identity.amazonaws.com",
    "container.googleapis.com",
    "ghe.com",
    "gitlab.com",
    "iam.cloud.ibm.com",
    "identity.oraclecloud.com",
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "oic.prod-aks.azure.com",
    "oic.prod-arc.azure.com",
    "oidc.circleci.com",
    "oidc.fly.io",
    "oidc.vercel.com",
    "semaphoreci.com",
    "sts.windows.net",
    "token.actions.githubusercontent.com",
    "vssps.dev.azure.com",
    "vstoken.dev.azure.com",
];

/// True if `host` is one of `endings` or below it. Without regard to case.
pub(crate) fn is_below(host: &str, endings: &[&str]) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let mut rest = host.as_str();
    loop {
        if endings.binary_search(&rest).is_ok() {
            return true;
        }
        match rest.split_once('.') {
            Some((_, parent)) => rest = parent,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order() {
        assert!(WELL_KNOWN.is_sorted_by(|left, right| left < right));
        assert!(CONFUSABLES.is_sorted_by(|left, right| left.0 < right.0));
        assert!(THROWAWAY_HOSTS.is_sorted_by(|left, right| left < right));
        assert!(CI_ISSUERS.is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn tables_hold_what_they_say() {
        let is_folded =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        assert!(WELL_KNOWN.iter().all(|name| is_folded(name)));
        assert!(CONFUSABLES.iter().all(|(from, to)| !from.is_ascii() && is_folded(to)));
    }

    #[test]
    fn hosts_match_whole_labels() {
        assert!(is_below("login.evil.WORKERS.dev", THROWAWAY_HOSTS));
        assert!(is_below("eastus.oic.prod-aks.azure.com", CI_ISSUERS));
        assert!(!is_below("notgithub.io", THROWAWAY_HOSTS));
        assert!(!is_below("github.io.example.com", THROWAWAY_HOSTS));
    }
}
