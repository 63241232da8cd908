package discover

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// verdict is how a setting of a file and what was found go together, the worst first.
type verdict int

const (
	changed verdict = iota
	vanished
	added
	unknown
	same
)

var verdicts = map[verdict]string{changed: "changed", vanished: "gone", added: "new", unknown: "unknown", same: "same"}

// difference is a row of the comparison.
type difference struct {
	verdict verdict
	path    string
	file    string
	found   string
}

// Compare says how the values of a settings file differ from what was found, the worst
// first, and returns how many have changed: values that are others, that nothing stands for
// any more, and that the file lacks. What people alone know is not compared, nor what could
// not be found out.
func Compare(to io.Writer, f *Found, values map[string]any, file string) (int, error) {
	rows := f.compared(values)
	var b strings.Builder
	counts := map[verdict]int{}
	longest := 0
	for _, d := range rows {
		longest = max(longest, len(d.path))
	}
	for _, d := range rows {
		counts[d.verdict]++
		if d.verdict == same {
			fmt.Fprintf(&b, "%-8s %-*s  %s\n", verdicts[d.verdict], longest, d.path, short(d.found, 60))
			continue
		}
		fmt.Fprintf(&b, "%-8s %s\n", verdicts[d.verdict], d.path)
		fmt.Fprintf(&b, "           file   %s\n           found  %s\n", cmp.Or(d.file, "nothing"), d.found)
	}
	n := counts[changed] + counts[vanished] + counts[added]
	fmt.Fprintf(&b, "\n%s: %d as found, %d changed, %d gone, %d new, %d unknown\n", file, counts[same], counts[changed], counts[vanished], counts[added], counts[unknown])
	if _, err := io.WriteString(to, b.String()); err != nil {
		return 0, fmt.Errorf("write what has changed: %w", err)
	}
	return n, nil
}

// Difference is a setting that is not as it was found.
type Difference struct {
	// Verdict is "changed", "gone", "new" or "unknown".
	Verdict string
	// Setting is its path in the file, such as platform.aurora.global_cluster.
	Setting string
	// File is what the file has, empty where it has nothing; Found what was found.
	File, Found string
}

// Differences are the settings of a file that are not as found, the worst first, and how
// many are. What people alone know is not compared.
func (f *Found) Differences(values map[string]any) (differ []Difference, as int) {
	for _, d := range f.compared(values) {
		if d.verdict == same {
			as++
			continue
		}
		differ = append(differ, Difference{verdicts[d.verdict], d.path, d.file, d.found})
	}
	return differ, as
}

// compared are the rows, the worst first, and then as they stand in the file.
func (f *Found) compared(values map[string]any) []difference {
	var rows []difference
	covered := map[string]bool{}
	for _, s := range f.Settings {
		covered[s.Path] = true
		if s.People {
			continue
		}
		mine := below(values, s.Path)
		d := difference{path: s.Path, file: shownFile(values, mine)}
		switch {
		case s.Left && len(mine) == 0:
			continue
		case s.Left:
			d.verdict, d.found = vanished, "nothing. "+s.Why
		case s.Ask != "" && len(mine) == 0:
			d.verdict, d.found = unknown, s.Ask
		case s.Ask != "" && s.Among != nil:
			d.verdict, d.found = same, d.file
			if text := s.differs(values[s.Path]); text != "" {
				d.verdict, d.found = changed, text
			}
		case s.Ask != "" && s.Gone:
			d.verdict, d.found = vanished, s.Ask
		case s.Ask != "":
			d.verdict, d.found = unknown, s.Ask
		case len(mine) == 0:
			d.verdict, d.found = added, s.shown()
		default:
			d.verdict, d.found = same, s.shown()
			if text := s.differs(values[s.Path]); text != "" {
				d.verdict, d.found = changed, text
			}
		}
		for _, path := range mine {
			covered[path] = true
		}
		rows = append(rows, d)
	}
	for _, path := range slices.Sorted(maps.Keys(values)) {
		if !covered[path] && discovered.MatchString(path) {
			rows = append(rows, difference{vanished, path, shownFile(values, []string{path}), "nothing"})
		}
	}
	slices.SortStableFunc(rows, func(a, b difference) int { return cmp.Compare(a.verdict, b.verdict) })
	return rows
}

// discovered are the paths of settings that are found out.
var discovered = func() *regexp.Regexp {
	var all []string
	for _, f := range findings {
		all = append(all, strings.ReplaceAll(regexp.QuoteMeta(f.path), `\*`, `[a-z0-9-]+`))
	}
	return regexp.MustCompile("^(" + strings.Join(all, "|") + ")$")
}()

// below are the paths of values that stand at a path or below it.
func below(values map[string]any, path string) []string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(values)) {
		if p == path || strings.HasPrefix(p, path+".") {
			out = append(out, p)
		}
	}
	return out
}

func shownFile(values map[string]any, paths []string) string {
	var out []string
	for _, p := range paths {
		switch v := values[p].(type) {
		case string:
			out = append(out, short(v, long))
		case []any:
			out = append(out, strings.Join(namesOf(v), ", "))
		}
	}
	out = slices.DeleteFunc(out, func(s string) bool { return s == "" })
	if len(out) == 0 {
		return ""
	}
	return sentence(out, "and")
}

// namesOf are the elements of a list, by their names where they have such.
func namesOf(list []any) []string {
	var out []string
	for _, one := range list {
		switch v := one.(type) {
		case string:
			out = append(out, v)
		case map[string]string:
			out = append(out, v["name"])
		}
	}
	return out
}

// long is what a value takes at most that is shown whole: certificates are longer.
const long = 140

// short is a value that fits into so many bytes.
func short(s string, most int) string {
	if len(s) > most {
		return s[:min(most, 60)-3] + "..."
	}
	return s
}

func (s Setting) shown() string {
	switch v := s.Value.(type) {
	case []string:
		return strings.Join(v, ", ")
	case []Item:
		var out []string
		for _, i := range v {
			out = append(out, fmt.Sprint(i.Keys[0].Value))
		}
		return strings.Join(out, ", ")
	}
	return short(fmt.Sprint(s.Value), long)
}

// differs says what was found in place of a value of the file; empty where it is the same,
// or within what the setting allows.
func (s Setting) differs(file any) string {
	if s.Among != nil {
		list, _ := file.([]any)
		names, _ := s.Value.([]string)
		for _, name := range namesOf(list) {
			if slices.Contains(s.Among, name) && !slices.Contains(names, name) {
				names = append(slices.Clone(names), name)
			}
		}
		return parted(namesOf(list), names, nil)
	}
	switch found := s.Value.(type) {
	case []string:
		list, _ := file.([]any)
		if s.Stand != nil {
			return stands(namesOf(list), s.Stand)
		}
		return parted(namesOf(list), found, nil)
	case []Item:
		list, _ := file.([]any)
		return s.itemsDiffer(list, found)
	case int:
		n, err := strconv.Atoi(fmt.Sprint(file))
		if err == nil && (found == n || s.Bound == AtLeast && found > n || s.Bound == AtMost && found < n) {
			return ""
		}
	case string:
		if text, ok := file.(string); ok && text == found {
			return ""
		}
	}
	return s.shown()
}

// nouns are what stands behind the number of a key, where that is not its name.
var nouns = map[string]string{"standby": "in the standby"}

// itemsDiffer compares lists by the names of their elements, and their replicas.
func (s Setting) itemsDiffer(file []any, found []Item) string {
	had := map[string]map[string]string{}
	for _, one := range file {
		if item, ok := one.(map[string]string); ok {
			had[item["name"]] = item
		}
	}
	var is, more []string
	for _, i := range found {
		name := fmt.Sprint(i.Keys[0].Value)
		is = append(is, name)
		for _, k := range i.Keys[1:] {
			n, err := strconv.Atoi(had[name][k.Name])
			if now, ok := k.Value.(int); ok && err == nil && now > n {
				more = append(more, fmt.Sprintf("%s has %d %s, not %d", name, now, cmp.Or(nouns[k.Name], k.Name), n))
			}
		}
	}
	return parted(namesOf(file), is, more)
}

// stands says which names none of a list stands for, and what of the list stands for none.
// What ends in * stands for all that begin so.
func stands(file, names []string) string {
	var covered, idle []string
	for _, one := range file {
		before := len(covered)
		prefix, many := strings.CutSuffix(one, "*")
		for _, name := range names {
			if name == one || many && strings.HasPrefix(name, prefix) {
				covered = append(covered, name)
			}
		}
		if len(covered) == before {
			idle = append(idle, one)
		}
	}
	return parted(append(covered, idle...), names, nil)
}

// parted says what two lists do not have in common.
func parted(file, found, more []string) string {
	out := more
	for _, name := range found {
		if !slices.Contains(file, name) {
			out = append(out, name+" is new")
		}
	}
	for _, name := range file {
		if !slices.Contains(found, name) {
			out = append(out, name+" is gone")
		}
	}
	return strings.Join(out, "; ")
}
