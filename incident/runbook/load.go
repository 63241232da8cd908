package runbook

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Source is a runbook as it was read: every key known, every step in its place,
// but not yet checked against a catalogue or filled in for an incident.
type Source struct {
	// Runbook is the name of the runbook: regional-failover.
	Runbook string
	// Modes that it was written for: planned, unplanned.
	Modes []string

	path     string
	at       place
	title    text
	sections []*section
	faults   Faults
	// hole says that some part could not be read. What refers to it cannot be
	// judged then.
	hole bool
}

type section struct {
	id, title text
	steps     []*step
}

type step struct {
	at      place
	section string

	id, title, runbook, uses text
	when, each, where        text
	gate, timeout, usually   text
	needs, rerun             []text
	with                     *yaml.Node
	withAt                   place
	approval                 *approval
	locked, closing          bool
	file                     *file
}

type approval struct {
	at                   place
	by, confirm, expires text
	covers               []text
}

// text is a scalar and where it stands.
type text struct {
	value string
	at    place
	node  *yaml.Node
}

func (t text) given() bool { return t.node != nil }

// file is what is needed of a file to name places in it.
type file struct {
	name  string
	lines []string
}

func (f *file) place(n *yaml.Node) place { return place{f.name, n.Line, n.Column} }

// Load reads a runbook and the section files that it names, which lie in the
// folder sections beside it.
//
// Its error is a [Faults] with all that is wrong in all of the files, or an
// [Unread] that says why the runbook file could not be opened. With Faults there still is a Source, good
// for [Source.Lint] alone, so that a person sees everything at once.
func Load(fsys fs.FS, name string) (*Source, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, &Unread{File: name, Err: err}
	}
	l := &loader{fsys: fsys, src: &Source{path: name, at: place{name, 1, 1}}}
	l.runbook(data)
	l.src.faults = l.src.faults.tidy()
	return l.src, l.src.faults.err()
}

type loader struct {
	fsys fs.FS
	src  *Source
}

func (l *loader) fault(f Fault) { l.src.faults = append(l.src.faults, f) }

var (
	nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	nameRule = "small letters, digits and single hyphens"
)

func (l *loader) runbook(data []byte) {
	f, root := l.parse(l.src.path, data)
	if root == nil {
		return
	}
	r := reader{l, f}
	var id text
	seen := r.mapping(root, "a runbook", keys{
		"runbook": func(v *yaml.Node) { id = r.name(v, "runbook") },
		"title":   func(v *yaml.Node) { l.src.title = r.text(v, "title") },
		"modes": func(v *yaml.Node) {
			for _, m := range r.texts(v, "modes") {
				if !slices.Contains(modes, m.value) {
					l.fault(m.at.fault("unknown mode %q%s", m.value, meant(m.value, modes)))
					continue
				}
				if slices.Contains(l.src.Modes, m.value) {
					l.fault(m.at.fault("mode %q is listed twice", m.value))
					continue
				}
				l.src.Modes = append(l.src.Modes, m.value)
			}
		},
		"sections": func(v *yaml.Node) {
			if v.Kind != yaml.SequenceNode {
				l.fault(f.place(v).fault(`"sections" wants a list of section names`))
				l.src.hole = true
				return
			}
			for _, n := range v.Content {
				if n.Kind == yaml.MappingNode {
					l.section(r, n, "")
					continue
				}
				l.sectionFile(r.name(n, "sections"))
			}
		},
	})
	l.src.at = f.place(root)
	l.src.Runbook = id.value
	r.missing(seen, l.src.at, "the runbook", "runbook", "title", "modes", "sections")
	if seen["modes"] && len(l.src.Modes) == 0 {
		l.fault(l.src.at.fault(`"modes" names no mode; it may be %s`, list(modes, "and")))
	}
	known := map[string]place{}
	for _, s := range l.src.sections {
		if first, twice := known[s.id.value]; twice && s.id.value != "" {
			l.fault(s.id.at.fault("section %q is there twice: first at %s", s.id.value, first))
			continue
		}
		known[s.id.value] = s.id.at
	}
}

func (l *loader) sectionFile(named text) {
	if named.value == "" {
		l.src.hole = true
		return
	}
	dir := path.Join(path.Dir(l.src.path), "sections")
	file := path.Join(dir, named.value+".yaml")
	data, err := fs.ReadFile(l.fsys, file)
	if err != nil {
		l.src.hole = true
		if !errors.Is(err, fs.ErrNotExist) {
			l.fault(named.at.fault("section %q cannot be read: %v", named.value, err))
			return
		}
		var there []string
		found, _ := fs.Glob(l.fsys, path.Join(dir, "*.yaml")) // the pattern is constant, and an unreadable folder offers no names
		for _, p := range found {
			there = append(there, strings.TrimSuffix(path.Base(p), ".yaml"))
		}
		l.fault(named.at.fault("section %q has no file %s%s", named.value, file, meant(named.value, there)))
		return
	}
	f, root := l.parse(file, data)
	if root == nil {
		return
	}
	l.section(reader{l, f}, root, named.value)
}

// section reads one section. expected is the name under which the runbook file
// lists it, or "" for a section written inside that file.
func (l *loader) section(r reader, root *yaml.Node, expected string) {
	s := &section{}
	seen := r.mapping(root, "a section", keys{
		"section": func(v *yaml.Node) { s.id = r.name(v, "section") },
		"title":   func(v *yaml.Node) { s.title = r.text(v, "title") },
		"steps": func(v *yaml.Node) {
			if v.Kind != yaml.SequenceNode {
				l.fault(r.file.place(v).fault(`"steps" wants a list of steps`))
				l.src.hole = true
				return
			}
			for _, n := range v.Content {
				s.steps = append(s.steps, l.step(r, n))
			}
		},
	})
	r.missing(seen, r.file.place(root), "the section", "section", "title", "steps")
	if expected != "" && s.id.value != "" && s.id.value != expected {
		l.fault(s.id.at.fault("section %q stands in the file of section %q: name both alike", s.id.value, expected))
		s.id.value = expected
	}
	for _, st := range s.steps {
		st.section = s.id.value
	}
	l.src.sections = append(l.src.sections, s)
}

func (l *loader) step(r reader, n *yaml.Node) *step {
	s := &step{at: r.file.place(n), file: r.file}
	seen := r.mapping(n, "a step", keys{
		"id":      func(v *yaml.Node) { s.id = r.name(v, "id") },
		"title":   func(v *yaml.Node) { s.title = r.text(v, "title") },
		"runbook": func(v *yaml.Node) { s.runbook = r.text(v, "runbook") },
		"uses":    func(v *yaml.Node) { s.uses = r.text(v, "uses") },
		"when":    func(v *yaml.Node) { s.when = r.text(v, "when") },
		"each":    func(v *yaml.Node) { s.each = r.text(v, "each") },
		"where":   func(v *yaml.Node) { s.where = r.text(v, "where") },
		"gate":    func(v *yaml.Node) { s.gate = r.text(v, "gate") },
		"timeout": func(v *yaml.Node) { s.timeout = r.text(v, "timeout") },
		"usually": func(v *yaml.Node) { s.usually = r.text(v, "usually") },
		"needs":   func(v *yaml.Node) { s.needs = r.texts(v, "needs") },
		"rerun":   func(v *yaml.Node) { s.rerun = r.texts(v, "rerun") },
		"locked":  func(v *yaml.Node) { s.locked = r.bool(v, "locked") },
		"closing": func(v *yaml.Node) { s.closing = r.bool(v, "closing") },
		"with": func(v *yaml.Node) {
			if v.Kind != yaml.MappingNode {
				l.fault(r.file.place(v).fault(`"with" wants a mapping of inputs, not %s`, describe(v)))
				return
			}
			s.with, s.withAt = v, r.file.place(v)
		},
		"approval": func(v *yaml.Node) {
			a := &approval{at: r.file.place(v)}
			has := r.mapping(v, "an approval", keys{
				"by":      func(v *yaml.Node) { a.by = r.text(v, "by") },
				"confirm": func(v *yaml.Node) { a.confirm = r.text(v, "confirm") },
				"expires": func(v *yaml.Node) { a.expires = r.text(v, "expires") },
				"covers":  func(v *yaml.Node) { a.covers = r.texts(v, "covers") },
			})
			if v.Kind == yaml.MappingNode {
				r.missing(has, a.at, "the approval", "by", "expires")
			}
			s.approval = a
		},
	})
	if n.Kind == yaml.MappingNode {
		whose := "the step"
		if s.id.value != "" {
			whose = fmt.Sprintf("step %q", s.id.value)
		}
		r.missing(seen, s.at, whose, "id", "title", "runbook", "uses")
	}
	if s.id.value == "" {
		l.src.hole = true
	}
	return s
}

// parse reads one document. A file that cannot be read as YAML has one fault and
// leaves a hole.
func (l *loader) parse(name string, data []byte) (*file, *yaml.Node) {
	f := &file{name: name, lines: strings.Split(string(data), "\n")}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		l.src.hole = true
		for _, at := range loadErrors(err) {
			p := place{name, max(1, at.Mark.Line), max(1, at.Mark.Column)}
			l.fault(p.fault("%s", plain(at.Message)))
		}
		return f, nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		l.src.hole = true
		l.fault(place{name, 1, 1}.fault("the file is empty"))
		return f, nil
	}
	before := len(l.src.faults)
	l.refuseAliases(f, doc.Content[0])
	if len(l.src.faults) > before {
		l.src.hole = true
		return f, nil
	}
	return f, doc.Content[0]
}

// refuseAliases keeps out anchors' references and merge keys. The reader at
// night should see what a step does without looking it up elsewhere, and an alias
// could contain itself.
func (l *loader) refuseAliases(f *file, n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		l.fault(f.place(n).fault("aliases (*%s) are not allowed in a runbook: write the value out", n.Value))
		return
	}
	for _, c := range n.Content {
		l.refuseAliases(f, c)
	}
}

// loadErrors takes the library's errors apart; each has its place.
func loadErrors(err error) []*yaml.LoadError {
	if many, ok := errors.AsType[*yaml.LoadErrors](err); ok {
		return many.Errors
	}
	if one, ok := errors.AsType[*yaml.LoadError](err); ok {
		return []*yaml.LoadError{one}
	}
	return []*yaml.LoadError{{Message: err.Error()}}
}

func plain(message string) string {
	switch {
	case strings.Contains(message, "no documents in stream"):
		return "the file is empty"
	case strings.Contains(message, "found multiple"):
		return "the file has more than one document: remove the --- between them"
	}
	return "not readable as YAML: " + strings.TrimPrefix(message, "yaml: ")
}

// reader turns nodes of one file into values and faults.
type reader struct {
	*loader
	file *file
}

type keys map[string]func(value *yaml.Node)

// mapping calls the function of each key that is there and reports the keys that
// have none, or come twice. It returns the keys that were there.
func (r reader) mapping(n *yaml.Node, what string, known keys) map[string]bool {
	seen := map[string]bool{}
	if n.Kind != yaml.MappingNode {
		r.fault(r.file.place(n).fault("%s is a mapping of keys to values, not %s", what, describe(n)))
		return seen
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		take, ok := known[k.Value]
		switch {
		case k.Kind != yaml.ScalarNode:
			r.fault(r.file.place(k).fault("a key has to be a word, not %s", describe(k)))
		case !ok:
			r.fault(r.file.place(k).fault("unknown key %q%s", k.Value, meant(k.Value, slices.Sorted(maps.Keys(known)))))
		case seen[k.Value]:
			r.fault(r.file.place(k).fault("key %q is there twice", k.Value))
		default:
			seen[k.Value] = true
			take(v)
		}
	}
	return seen
}

var wanted = map[string]string{
	"runbook": "",
	"uses":    ": the action that carries it out",
	"by":      ": the role that may approve",
	"expires": ": how long the question stands before it is asked again",
}

func (r reader) missing(seen map[string]bool, at place, whose string, required ...string) {
	for _, k := range required {
		if seen[k] {
			continue
		}
		why := wanted[k]
		if k == "runbook" && strings.Contains(whose, "step") {
			why = ": the section of the source document that it carries out"
		}
		r.fault(at.fault("%s lacks %q%s", whose, k, why))
	}
}

func (r reader) text(n *yaml.Node, key string) text {
	t := text{at: r.file.place(n), node: n}
	switch {
	case n.Kind == yaml.ScalarNode && (n.ShortTag() == "!!null" || strings.TrimSpace(n.Value) == ""):
		r.fault(t.at.fault("%q is empty", key))
	case n.Kind != yaml.ScalarNode:
		r.fault(t.at.fault("%q wants text, not %s", key, describe(n)))
	default:
		t.value = n.Value
	}
	return t
}

func (r reader) name(n *yaml.Node, key string) text {
	t := r.text(n, key)
	if t.value != "" && !nameForm.MatchString(t.value) {
		r.fault(t.at.fault("%q cannot be %q: use %s", key, t.value, nameRule))
		t.value = ""
	}
	return t
}

// texts also takes a single text for a list of one.
func (r reader) texts(n *yaml.Node, key string) []text {
	if n.Kind != yaml.SequenceNode {
		if n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null" {
			return []text{r.text(n, key)}
		}
		r.fault(r.file.place(n).fault("%q wants a list, not %s", key, describe(n)))
		return nil
	}
	var out []text
	for _, c := range n.Content {
		if t := r.text(c, key); t.value != "" {
			out = append(out, t)
		}
	}
	return out
}

func (r reader) bool(n *yaml.Node, key string) bool {
	var b bool
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Load(&b) != nil {
		r.fault(r.file.place(n).fault("%q is true or false, not %s", key, describe(n)))
	}
	return b
}

// describe names what stands there instead of what was wanted.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		if n.Style&yaml.FlowStyle != 0 && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode {
			return "a mapping (put a text with {{ }} in quotes)"
		}
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch n.ShortTag() {
		case "!!null":
			return "nothing"
		case "!!str":
			return fmt.Sprintf("the text %q", short(n.Value))
		}
		return short(n.Value)
	default: // aliases were refused before, and documents do not nest
		return "something else"
	}
}

func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:37]) + "..."
	}
	return s
}
