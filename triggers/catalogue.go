package triggers

import "latchkey/engine"

// Names of the triggers, as workflow files, subjects and CloudEvents types spell them.
const (
	CategoryStarted      = "category_started"
	CategoryCompleted    = "category_completed"
	LessonStarted        = "lesson_started"
	LessonCompleted      = "lesson_completed"
	NewSignUp            = "new_sign_up"
	OfferAccessGranted   = "offer_access_granted"
	OfferAccessRemoved   = "offer_access_removed"
	ProductAccessGranted = "product_access_granted"
	ProductAccessRemoved = "product_access_removed"
	ProductStarted       = "product_started"
	ProductCompleted     = "product_completed"
	UserLogin            = "user_login"
)

// kinds is the catalogue, in the order that people are shown it. Filters stand parent first. A kind's Noun is the one
// noun that each of its events is guaranteed to have, by id; titles and the other nouns may be missing. A new
// sign-up guarantees none: it is about the contact.
//
// user_login is not a course trigger. Login links are refused under it, because a message with a login link sent at each
// login would invite the next login, which would send the next message.
var kinds = []engine.TriggerKind{
	{Name: CategoryStarted, Label: "Category Started", Noun: "category", Filters: []string{"product", "category"}, Course: true},
	{Name: CategoryCompleted, Label: "Category Completed", Noun: "category", Filters: []string{"product", "category"}, Course: true},
	{Name: LessonStarted, Label: "Lesson Started", Noun: "lesson", Filters: []string{"product", "category", "lesson"}, Course: true},
	{Name: LessonCompleted, Label: "Lesson Completed", Noun: "lesson", Filters: []string{"product", "category", "lesson"}, Course: true},
	{Name: NewSignUp, Label: "New Sign Up", Filters: []string{"offer", "product"}, Course: true},
	{Name: OfferAccessGranted, Label: "Offer Access Granted", Noun: "offer", Filters: []string{"offer"}, Course: true},
	{Name: OfferAccessRemoved, Label: "Offer Access Removed", Noun: "offer", Filters: []string{"offer"}, Course: true},
	{Name: ProductAccessGranted, Label: "Product Access Granted", Noun: "product", Filters: []string{"product"}, Course: true},
	{Name: ProductAccessRemoved, Label: "Product Access Removed", Noun: "product", Filters: []string{"product"}, Course: true},
	{Name: ProductStarted, Label: "Product Started", Noun: "product", Filters: []string{"product"}, Course: true},
	{Name: ProductCompleted, Label: "Product Completed", Noun: "product", Filters: []string{"product"}, Course: true},
	{Name: UserLogin, Label: "User Login"},
}

// Kinds returns the twelve triggers in the order that people are shown them.
func Kinds() []engine.TriggerKind { return append([]engine.TriggerKind(nil), kinds...) }

// Catalogue returns the triggers by name, for engine.Catalog.
func Catalogue() map[string]engine.TriggerKind {
	m := make(map[string]engine.TriggerKind, len(kinds))
	for _, k := range kinds {
		m[k.Name] = k
	}
	return m
}

// lookup finds a trigger by name. Twelve comparisons of short strings beat a map.
func lookup(name string) (engine.TriggerKind, bool) {
	for _, k := range kinds {
		if k.Name == name {
			return k, true
		}
	}
	return engine.TriggerKind{}, false
}
