// Package templates is the << >> language of Latchkey's mails and text messages: it scans a source, checks
// every tag in it against a table of fields, and renders it. It also turns Markdown into a responsive mail,
// makes the text part, and counts the segments of an SMS.
//
// It knows nothing of contacts, runs or links: values come in as plain data, and login URLs come in already
// minted, one for each distinct LinkField that Links reports.
//
// # The language
//
//	<<contact.first_name | default "there">>     a field, with filters (see Filters)
//	<<if offer>> … <<else if product>> … <<else>> … <<end>>
//	<<if contact.locale == "de" and not access.offers has "gold">> … <<end>>
//	<<range products>> <<title>> <<else>> none <<end>>
//	<<login_url to=lesson ttl="72h" uses="3" app="courses">>
//	<<"<<">>                                     the two characters themselves
//	<<# a comment >>
//
// Inside a range, the item's own fields stand bare (<<title>>), as <<item.title>>, or under the singular of
// the list's name (<<product.title>> in a range over products); the item itself is <<item>>. A tag that
// stands alone on its line takes the line away with it.
//
// A field that is missing or blank and has no default is an error when it is rendered, never a gap. Values
// are data: nothing in them is read as a tag, as HTML, or as a header.
//
// Inside Markdown code (fences and back-ticks) << >> is read as a tag only if its first word is a known
// field or keyword; everything else in code is left as it is, so that course mails can show code.
//
// # Markdown
//
// A paragraph that is only a link to a login, [Go to your courses](<<login_url>>), is a large button with the
// address beneath; [Any label](https://… "button") is one too. A bare <<login_url>> is a link. Tags on lines of
// their own may stand between paragraphs, between the items of a list and between the rows of a table. The text
// part is made from the same source unless it is given.
//
// # Merge fields
//
// The merge fields {{membership_contact.login_url}}, {{membership_contact.offer_title}}, {{contact.…}},
// {{location.…}} and {{custom_values.…}} are read as their counterparts; any other {{…}} is plain text.
package templates
