package runbook

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
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
	// incomplete says that some part could not be read. What refers to it cannot be
	// judged then.
	incomplete bool
}

type section struct {
	id, title text
	// kind of run that it is part of; none: of those that move users.
	kind  text
	steps []*step
}

type step struct {
	at      place
	section string
	part    *section // that it stands in

	id, title, runbook, uses             text
	when, each, where                    text
	gate, timeout, usually               text
	needs, rerun, awaits                 []text
	with                                 *yaml.Node
	approval                             *approval
	asks                                 *asks
	eachOf, needsOf, without, adviceWhen text
	locked, closing, turned              bool
	file                                 *strict.Document
}

type approval struct {
	at                          place
	by, count, confirm, expires text
	covers                      []text
}

type asks struct {
	role, count text
	choices     []text
}

// text is a scalar and where it stands.
type text struct {
	value string
	at    place
	node  *yaml.Node
}

func (t text) given() bool { return t.node != nil }

func textOf(t strict.Text) text { return text{t.Value, t.At, t.Node} }

func textsOf(all strict.Texts) []text {
	var out []text
	for _, t := range all {
		out = append(out, textOf(t))
	}
	return out
}

// Load reads a runbook and the section files that it names, which lie in the
// folder sections beside it.
//
// Its error is a [Faults] with all that is wrong in all of the files, or an
// [Unread] that says why the runbook file could not be opened. With Faults there still is a Source, good
// for [Source.Lint] alone, so that a person sees everything at once.
func Load(fsys fs.FS, name string) (*Source, error) {
	data, err := strict.ReadFS(fsys, name)
	if err != nil {
		return nil, &Unread{File: name, Err: err}
	}
	l := &loader{fsys: fsys, src: &Source{path: name, at: place{File: name, Line: 1, Column: 1}}}
	l.runbook(data)
	l.src.faults = l.src.faults.Sorted()
	return l.src, l.src.faults.Err()
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

// The files as they are written.
type (
	runbookFile struct {
		Runbook  strict.Text  `yaml:"runbook"`
		Title    strict.Text  `yaml:"title"`
		Modes    strict.Texts `yaml:"modes"`
		Sections *yaml.Node   `yaml:"sections"`
	}
	sectionFile struct {
		Section strict.Text `yaml:"section"`
		Title   strict.Text `yaml:"title"`
		Kind    strict.Text `yaml:"kind,omitempty"`
		Steps   *yaml.Node  `yaml:"steps"`
	}
	stepFile struct {
		ID       strict.Text   `yaml:"id"`
		Title    strict.Text   `yaml:"title"`
		Runbook  strict.Text   `yaml:"runbook"`
		Uses     strict.Text   `yaml:"uses"`
		When     strict.Text   `yaml:"when,omitempty"`
		Each     strict.Text   `yaml:"each,omitempty"`
		Where    strict.Text   `yaml:"where,omitempty"`
		Gate     strict.Text   `yaml:"gate,omitempty"`
		Timeout  strict.Text   `yaml:"timeout,omitempty"`
		Usually  strict.Text   `yaml:"usually,omitempty"`
		Needs    strict.Texts  `yaml:"needs,omitempty"`
		NeedsOf  strict.Text   `yaml:"needs_of,omitempty"`
		Rerun    strict.Texts  `yaml:"rerun,omitempty"`
		Locked   bool          `yaml:"locked,omitempty"`
		Closing  bool          `yaml:"closing,omitempty"`
		Turned   bool          `yaml:"turned,omitempty"`
		With     *yaml.Node    `yaml:"with,omitempty"`
		Approval *approvalFile `yaml:"approval,omitempty"`
		Asks     *asksFile     `yaml:"asks,omitempty"`
		Awaits   strict.Texts  `yaml:"awaits,omitempty"`
		EachOf   strict.Text   `yaml:"each_of,omitempty"`
		Without  strict.Text   `yaml:"without,omitempty"`

		AdviceWhen strict.Text `yaml:"advice_when,omitempty"`
	}
	asksFile struct {
		Role    strict.Text  `yaml:"role"`
		Count   strict.Text  `yaml:"count,omitempty"`
		Choices strict.Texts `yaml:"choices,omitempty"`
	}
	approvalFile struct {
		By      strict.Text  `yaml:"by"`
		Count   strict.Text  `yaml:"count,omitempty"`
		Confirm strict.Text  `yaml:"confirm,omitempty"`
		Expires strict.Text  `yaml:"expires"`
		Covers  strict.Texts `yaml:"covers,omitempty"`
	}
)

// fileWords are how faults of these files are said.
var fileWords = strict.Words{
	Wants: func(key string, want strict.Want, typ reflect.Type, n *yaml.Node) string {
		got := strict.Describe(n)
		switch want {
		case strict.WantBool:
			return fmt.Sprintf("%s is true or false, not %s", key, got)
		case strict.WantMapping:
			if name, ok := parts[typ]; ok {
				key = name
			}
			return fmt.Sprintf("%s is a mapping of keys to values, not %s", key, got)
		default:
			return fmt.Sprintf("%s wants %s, not %s", key, wanted[want], got)
		}
	},
	Unknown: func(_, key string, known []string) string {
		return fmt.Sprintf("unknown key %q%s", key, strict.DidYouMean(key, slices.Sorted(slices.Values(known))))
	},
	Lacks: func(_ string, owner any, key string) string {
		switch owner := owner.(type) {
		case *approvalFile:
			return fmt.Sprintf("the approval lacks %q%s", key, meaning[key])
		case *asksFile:
			return fmt.Sprintf("what is asked lacks %q%s", key, meaning[key])
		case *sectionFile:
			return fmt.Sprintf("the section lacks %q", key)
		case *stepFile:
			whose := "the step"
			if owner.ID.Value != "" && nameForm.MatchString(owner.ID.Value) {
				whose = fmt.Sprintf("step %q", owner.ID.Value)
			}
			return fmt.Sprintf("%s lacks %q%s", whose, key, meaning[key])
		}
		return fmt.Sprintf("the runbook lacks %q", key)
	},
	Empty: func(key string, typ reflect.Type, _ bool, n *yaml.Node) (bool, string) {
		if typ != reflect.TypeFor[strict.Text]() || n.Kind != yaml.ScalarNode || n.ShortTag() != "!!null" && strings.TrimSpace(n.Value) != "" {
			return false, ""
		}
		return true, key + " is empty"
	},
}

// parts are what a mapping within a step is called.
var parts = map[reflect.Type]string{
	reflect.TypeFor[approvalFile](): "an approval", reflect.TypeFor[asksFile](): "what is asked",
}

// meaning of the keys that a step or an approval cannot do without.
var meaning = map[string]string{
	"runbook": ": the section of the source document that it carries out",
	"uses":    ": the action that carries it out",
	"by":      ": the role that may approve",
	"role":    ": who may answer",
	"expires": ": how long the question stands before it is asked again",
}

// decode reads a node of one of the files. whole is what it is called: "a step".
func (l *loader) decode(d *strict.Document, whole string, n *yaml.Node, into any) {
	r := strict.Decoder{Words: fileWords, File: d.Name, Report: func(n *yaml.Node, p strict.Problem) {
		l.fault(d.At(n).Fault("%s", p.Text))
	}}
	r.Decode(whole, n, into)
}

// parse reads one document. A file that cannot be read as YAML leaves the source incomplete.
func (l *loader) parse(name string, data []byte) *strict.Document {
	d, faults := strict.Parse(name, data, "in a runbook")
	l.src.faults = append(l.src.faults, faults...)
	if d.Root == nil {
		l.src.incomplete = true
	}
	return d
}

func (l *loader) runbook(data []byte) {
	d := l.parse(l.src.path, data)
	if d.Root == nil {
		return
	}
	l.src.at = d.At(d.Root)
	var f runbookFile
	l.decode(d, "a runbook", d.Root, &f)
	l.src.Runbook = l.name(f.Runbook, "runbook").value
	l.src.title = textOf(f.Title)
	for _, m := range f.Modes {
		switch {
		case !slices.Contains(modes, m.Value):
			l.fault(m.At.Fault("unknown mode %q%s", m.Value, strict.DidYouMean(m.Value, modes)))
		case slices.Contains(l.src.Modes, m.Value):
			l.fault(m.At.Fault("mode %q is listed twice", m.Value))
		default:
			l.src.Modes = append(l.src.Modes, m.Value)
		}
	}
	if len(l.src.Modes) == 0 && hasKey(d.Root, "modes") {
		l.fault(l.src.at.Fault(`"modes" names no mode; it may be %s`, strict.List(modes, "and")))
	}
	for _, n := range l.items(d, f.Sections, `"sections" wants a list of section names`) {
		if n.Kind == yaml.MappingNode {
			l.section(d, n, "")
			continue
		}
		var name strict.Text
		l.decode(d, `"sections"`, n, &name)
		l.sectionFile(l.name(name, "sections"))
	}
	known := map[string]place{}
	for _, s := range l.src.sections {
		if first, twice := known[s.id.value]; twice && s.id.value != "" {
			l.fault(s.id.at.Fault("section %q is there twice: first at %s", s.id.value, first))
			continue
		}
		known[s.id.value] = s.id.at
	}
}

func hasKey(n *yaml.Node, key string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Kind == yaml.MappingNode && n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// items are those of a list that was written; no list leaves the source incomplete.
func (l *loader) items(d *strict.Document, n *yaml.Node, otherwise string) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind != yaml.SequenceNode:
		l.fault(d.At(n).Fault("%s", otherwise))
		l.src.incomplete = true
		return nil
	}
	return n.Content
}

// name is a text that has to be a name; it has no value if it is none.
func (l *loader) name(given strict.Text, key string) text {
	t := textOf(given)
	if t.value != "" && !nameForm.MatchString(t.value) {
		l.fault(t.at.Fault("%q cannot be %q: use %s", key, t.value, nameRule))
		t.value = ""
	}
	return t
}

func (l *loader) sectionFile(named text) {
	if named.value == "" {
		l.src.incomplete = true
		return
	}
	dir := path.Join(path.Dir(l.src.path), "sections")
	file := path.Join(dir, named.value+".yaml")
	data, err := strict.ReadFS(l.fsys, file)
	if err != nil {
		l.src.incomplete = true
		if !errors.Is(err, fs.ErrNotExist) {
			l.fault(named.at.Fault("section %q cannot be read: %v", named.value, err))
			return
		}
		var there []string
		found, _ := fs.Glob(l.fsys, path.Join(dir, "*.yaml")) // the pattern is constant, and an unreadable folder offers no names
		for _, p := range found {
			there = append(there, strings.TrimSuffix(path.Base(p), ".yaml"))
		}
		l.fault(named.at.Fault("section %q has no file %s%s", named.value, file, strict.DidYouMean(named.value, there)))
		return
	}
	d := l.parse(file, data)
	if d.Root != nil {
		l.section(d, d.Root, named.value)
	}
}

// section reads one section. expected is the name under which the runbook file
// lists it, or "" for a section written inside that file.
func (l *loader) section(d *strict.Document, root *yaml.Node, expected string) {
	var f sectionFile
	l.decode(d, "a section", root, &f)
	s := &section{id: l.name(f.Section, "section"), title: textOf(f.Title), kind: textOf(f.Kind)}
	if k := s.kind.value; k != "" && !slices.Contains(kinds, k) {
		l.fault(s.kind.at.Fault("unknown kind %q%s", k, strict.DidYouMean(k, kinds)))
		l.src.incomplete = true
	}
	for _, n := range l.items(d, f.Steps, `"steps" wants a list of steps`) {
		s.steps = append(s.steps, l.step(d, n))
	}
	if expected != "" && s.id.value != "" && s.id.value != expected {
		l.fault(s.id.at.Fault("section %q stands in the file of section %q: name both alike", s.id.value, expected))
		s.id.value = expected
	}
	for _, st := range s.steps {
		st.section, st.part = s.id.value, s
	}
	l.src.sections = append(l.src.sections, s)
}

func (l *loader) step(d *strict.Document, n *yaml.Node) *step {
	var f stepFile
	l.decode(d, "a step", n, &f)
	s := &step{
		at: d.At(n), file: d,
		id: l.name(f.ID, "id"), title: textOf(f.Title), runbook: textOf(f.Runbook), uses: textOf(f.Uses),
		when: textOf(f.When), each: textOf(f.Each), where: textOf(f.Where),
		gate: textOf(f.Gate), timeout: textOf(f.Timeout), usually: textOf(f.Usually),
		needs: textsOf(f.Needs), rerun: textsOf(f.Rerun), locked: f.Locked, closing: f.Closing, turned: f.Turned,
		awaits: textsOf(f.Awaits), eachOf: textOf(f.EachOf), needsOf: textOf(f.NeedsOf), without: textOf(f.Without), adviceWhen: textOf(f.AdviceWhen),
	}
	if a := f.Asks; a != nil {
		s.asks = &asks{role: textOf(a.Role), count: textOf(a.Count), choices: textsOf(a.Choices)}
	}
	switch w := f.With; {
	case w == nil:
	case w.Kind != yaml.MappingNode:
		l.fault(d.At(w).Fault(`"with" wants a mapping of inputs, not %s`, strict.Describe(w)))
	default:
		s.with = w
	}
	if a := f.Approval; a != nil {
		s.approval = &approval{by: textOf(a.By), count: textOf(a.Count), confirm: textOf(a.Confirm), expires: textOf(a.Expires), covers: textsOf(a.Covers)}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == "approval" {
				s.approval.at = d.At(n.Content[i+1])
			}
		}
	}
	if s.id.value == "" {
		l.src.incomplete = true
	}
	return s
}
