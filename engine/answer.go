package engine

// An Answer is what a run keeps of an answer: single values, few and short, by the names that the step gave them.
type Answer struct {
	Fields Custom `json:"fields,omitempty"` // in expressions and templates: run.steps.<id>.response.<name>
	Fault  string `json:"fault,omitempty"`  // why some of them are missing, for people
}

func (w *FieldWriter) answer(tag byte, a *Answer) {
	if a != nil {
		w.Group(tag, func() {
			w.custom(1, a.Fields)
			w.Text(2, a.Fault)
		})
	}
}

func (r *FieldReader) answer() *Answer {
	a := new(Answer)
	r.Group(func(r *FieldReader) {
		switch r.Tag {
		case 1:
			a.Fields = r.custom()
		case 2:
			a.Fault = r.Text()
		}
	})
	return a
}
