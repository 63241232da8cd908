package strict

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"go.yaml.in/yaml/v4"
)

// Report is what was found in one file, by the paths of its values:
// "people[2].name". First its document is decoded; then whoever knows what the
// values mean says what is wrong with them.
//
// The checks (Least, Rooted, ...) leave alone what was not given or could not be
// read: that was said when it was decoded.
type Report struct {
	*found
	prefix string
}

type found struct {
	doc    *Document
	places map[string]*yaml.Node
	keys   map[string]*yaml.Node
	// strange are the nodes that are not what was wanted there.
	strange map[*yaml.Node]bool
	// unfilled are those that are still to be given; partOf says where a path lies.
	unfilled map[*yaml.Node]bool
	partOf   func(path string) string
	faults   Faults
	accounts map[string]bool
}

// Read decodes a document into what into points to, and reports. whose is what the
// whole is called. d says how, and gets its Report and places here.
func Read(doc *Document, d Decoder, whose string, into any) *Report {
	r := &Report{found: &found{
		doc: doc, places: map[string]*yaml.Node{}, keys: map[string]*yaml.Node{}, strange: map[*yaml.Node]bool{},
		unfilled: map[*yaml.Node]bool{}, partOf: d.Part, accounts: map[string]bool{},
	}}
	d.File, d.Places, d.Keys = doc.Name, r.places, r.keys
	d.Report = func(n *yaml.Node, p Problem) {
		r.strange[n] = r.strange[n] || p.Kind == Wants || p.Kind == Unfilled
		r.unfilled[n] = r.unfilled[n] || p.Kind == Unfilled
		r.faults = append(r.faults, doc.At(n).Fault("%s", p.Text))
	}
	d.Decode(whose, doc.Root, into)
	return r
}

// Below reports about what lies under a path: its own paths begin there.
func (r *Report) Below(path string) *Report { return &Report{r.found, Join(r.prefix, path)} }

// Faults is all that was reported, sorted by place.
func (r *Report) Faults() Faults { return r.faults.Sorted() }

// Fault is about the value at that path, or the nearest one around it that is
// there.
func (r *Report) Fault(path, format string, args ...any) {
	r.fault(Join(r.prefix, path), []map[string]*yaml.Node{r.places}, format, args...)
}

// FaultOfKey is the same with the place of the key.
func (r *Report) FaultOfKey(path, format string, args ...any) {
	r.fault(Join(r.prefix, path), []map[string]*yaml.Node{r.keys, r.places}, format, args...)
}

func (r *Report) fault(path string, in []map[string]*yaml.Node, format string, args ...any) {
	if r.follows(path) {
		return
	}
	for {
		for _, nodes := range in {
			if n := nodes[path]; n != nil {
				r.faults = append(r.faults, r.doc.At(n).Fault(format, args...))
				return
			}
		}
		if path == "" {
			r.faults = append(r.faults, Fault{File: r.doc.Name, Text: fmt.Sprintf(format, args...)})
			return
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// follows says that what is wrong at a path may follow from a value of the same part that
// is still to be given.
func (r *Report) follows(path string) bool {
	if r.partOf == nil {
		return false
	}
	for _, open := range r.Unfilled() {
		if part := r.partOf(open); part == r.partOf(path) || strings.HasPrefix(path, part+".") {
			return true
		}
	}
	return false
}

// Unfilled are the paths of the values that are still to be given, sorted.
func (r *Report) Unfilled() []string {
	var out []string
	for path, n := range r.places {
		if r.unfilled[n] {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// Given says that the file has something at that path that could be read.
func (r *Report) Given(path string) bool {
	n := r.places[Join(r.prefix, path)]
	return n != nil && !r.strange[n] && (n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) != "")
}

// last is the key at the end of a path.
func last(path string) string { return path[strings.LastIndex(path, ".")+1:] }

// Least wants a number of at least that.
func (r *Report) Least(path string, n, least int) {
	if r.Given(path) && n < least {
		r.Fault(path, "%q has to be at least %d, not %d", last(path), least, n)
	}
}

// Rooted wants a path on a server.
func (r *Report) Rooted(path, value string) {
	if value != "" && !strings.HasPrefix(value, "/") {
		r.Fault(path, "%q wants a path that begins with a slash, not %q", last(path), value)
	}
}

// Origin wants scheme and host and nothing else; it returns the host, and "" where
// there is none.
func (r *Report) Origin(path, value string) string {
	if value == "" {
		return ""
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		r.Fault(path, "%q wants an address of scheme and host only, such as https://us-west-2.api.example.com, not %q", last(path), value)
		return ""
	}
	return u.Hostname()
}

// HostPort wants host:port.
func (r *Report) HostPort(path, value string) {
	if value == "" {
		return
	}
	host, port, err := net.SplitHostPort(value)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || host == "" || n < 1 || n > 65535 {
		r.Fault(path, "%q has to be host:port, such as 192.0.2.1:53", value)
	}
}

// ARN wants an Amazon resource name of that service in that Region whose resource
// begins with kind. It returns what follows kind, and "" for what is none, and
// keeps the account: see [Report.Accounts].
func (r *Report) ARN(path, value, region, service, kind string) string {
	if value == "" {
		return ""
	}
	key, partition := last(path), Partition(region)
	a, err := arn.Parse(value)
	switch {
	case err != nil || a.AccountID == "" || !strings.HasPrefix(a.Resource, kind):
		r.Fault(path, "%q has to look like arn:%s:%s:%s:123456789012:%s..., not %q", key, partition, service, region, kind, value)
		return ""
	case a.Service != service:
		r.Fault(path, "%q is an ARN of %s, not of %s", key, a.Service, service)
		return ""
	case a.Region != region:
		r.Fault(path, "%q is an ARN of %s, but stands under %s", key, cmp.Or(a.Region, "no Region"), region)
		return ""
	case a.Partition != partition:
		r.Fault(path, "%q is an ARN of partition %s, but %s lies in %s", key, cmp.Or(a.Partition, "none"), region, partition)
		return ""
	}
	r.accounts[a.AccountID] = true
	return strings.TrimPrefix(a.Resource, kind)
}

// partitions are the parts of AWS by how the names of their Regions begin; what is not
// here lies in "aws". https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
var partitions = []struct{ begins, name string }{
	{"us-gov-", "aws-us-gov"},
	{"cn-", "aws-cn"},
	{"eusc-", "aws-eusc"},
	{"us-iso-", "aws-iso"},
	{"us-isob-", "aws-iso-b"},
	{"eu-isoe-", "aws-iso-e"},
	{"us-isof-", "aws-iso-f"},
}

// Partition is the part of AWS in which a Region lies: aws, aws-us-gov, aws-cn,
// aws-eusc and so on. Accounts, ARNs and endpoints of one are of no use in another.
func Partition(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.begins) {
			return p.name
		}
	}
	return "aws"
}

// Accounts are those of all ARNs that were right, sorted.
func (r *Report) Accounts() []string {
	var out []string
	for a := range r.accounts {
		out = append(out, a)
	}
	slices.Sort(out)
	return out
}
