package discover

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	appsv1 "k8s.io/api/apps/v1"
)

// This file is about what each Region has of its own and nothing connects but a name:
// queues, topics, log groups. It belongs together where both Regions have it under one name,
// or under two that differ by the Region alone. Which of these are the platform's is told by
// the Deployments that name them, or by what they are named after.

// queue is one of SQS.
type queue struct {
	url, name string
	// dead is the name of the queue that its dead letters go to; empty for none.
	dead string
}

// readQueues reads the queues of a Region, and where their dead letters go.
func (l *look) readQueues(ctx context.Context, region string) told[queue] {
	urls := l.queues(ctx, region)
	out := told[queue]{not: urls.not}
	for some := range slices.Chunk(urls.all, atOnce) {
		read := make([]told[string], len(some))
		var reads []func()
		for i, url := range some {
			reads = append(reads, func() { read[i] = l.redrive(ctx, region, url) })
		}
		l.together(reads...)
		for i, url := range some {
			if read[i].not != nil {
				return told[queue]{not: read[i].not} // one queue may be another's, so all or none
			}
			out.all = append(out.all, queue{url, url[strings.LastIndex(url, "/")+1:], deadIn(read[i].all)})
		}
	}
	return out
}

// deadIn is the name of the queue that a redrive policy leads to; empty for none.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue.html
func deadIn(policies []string) string {
	for _, p := range policies {
		var to struct {
			DeadLetterTargetArn string `json:"deadLetterTargetArn"`
		}
		if json.Unmarshal([]byte(p), &to) != nil {
			continue // SQS takes no other
		}
		if a, err := arn.Parse(to.DeadLetterTargetArn); err == nil {
			return a.Resource
		}
	}
	return ""
}

// thing is one of a Region: what a setting has of it, and the name by which the other
// Region's is known.
type thing struct{ value, name string }

// namely is a part of the settings that lists such things, by Region.
type namely struct {
	part, key string // platform.sqs, queues
	// noun is what people call one, use what those are for that are listed.
	noun, use string
	// most is how many the settings take.
	most int
	// all are those of a Region that could be listed, and how many were looked at; not is why
	// that is not known.
	all func(w *world, r *region) (some []thing, looked int, not string)
	// of are words on what was looked at, in place of all of them.
	of string
	// certain: whatever could be listed is the platform's. Else those are that its
	// Deployments name, or the only one.
	certain bool
	// more is what else is said of those that are listed.
	more func(r *region, listed []thing) string
}

var (
	queues = namely{part: "platform.sqs", key: "queues", noun: "queue", use: "that the services work off", most: 250, all: (*world).ownQueues, more: (*region).deadLetters}
	topics = namely{part: "platform.sns", key: "topics", noun: "topic", use: "that the services publish to", most: 250, all: (*world).ownTopics}
	groups = namely{
		part: "platform.logs", key: "groups", noun: "log group", use: "that the services' logs are shipped to", most: 50, all: (*world).ownGroups,
		of: " named after a service, its namespace, or as Container Insights names that of a cluster", certain: true,
	}
)

// ownQueues are those that are not there for the dead letters of others.
func (w *world) ownQueues(r *region) (all []thing, looked int, not string) {
	if r.queues.not != nil {
		return nil, 0, r.queues.not.brief()
	}
	dead := map[string]bool{}
	for _, q := range r.queues.all {
		dead[q.dead] = true
	}
	for _, q := range r.queues.all {
		if !dead[q.name] {
			all = append(all, thing{q.name, q.name})
		}
	}
	return all, len(r.queues.all), ""
}

func (w *world) ownTopics(r *region) (all []thing, looked int, not string) {
	if r.topics.not != nil {
		return nil, 0, r.topics.not.brief()
	}
	for _, topic := range r.topics.all {
		all = append(all, thing{topic, topic[strings.LastIndex(topic, ":")+1:]})
	}
	return all, len(r.topics.all), ""
}

const (
	awsOwn   = "/aws/" // how the log groups of AWS' own services begin
	insights = "/aws/containerinsights/"
)

// ownGroups are the log groups that are named after the services.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-view-metrics.html
func (w *world) ownGroups(r *region) (all []thing, looked int, not string) {
	switch why := w.clusterUnread(deploymentsUnread); {
	case r.logs.not != nil:
		return nil, 0, r.logs.not.brief()
	case why != "":
		return nil, 0, why
	case w.inEach == "":
		return nil, 0, "the namespace of the services is open"
	}
	after := append(w.bothClusters(), w.inEach)
	for _, g := range r.logs.all {
		words := strings.FieldsFunc(g, func(c rune) bool { return c == '/' || c == '.' })
		fits := !strings.HasPrefix(g, awsOwn) && slices.ContainsFunc(words, func(word string) bool { return slices.Contains(after, word) })
		name := g
		if r.cluster.Name != "" && g == insights+r.cluster.Name+"/application" {
			fits, name = true, insights
		}
		if fits {
			all = append(all, thing{g, name})
		}
	}
	return all, len(r.logs.all), ""
}

// deadLetters says where those of queues go.
func (r *region) deadLetters(listed []thing) string {
	var to, none []string
	for _, t := range listed {
		i := slices.IndexFunc(r.queues.all, func(q queue) bool { return q.name == t.name })
		if dead := r.queues.all[i].dead; dead != "" {
			to = append(to, dead)
		} else {
			none = append(none, t.name)
		}
	}
	var out string
	if len(to) > 0 {
		out = fmt.Sprintf(" Dead letters go to %s.", sentence(slices.Compact(slices.Sorted(slices.Values(to))), "and"))
	}
	if len(none) > 0 {
		out += fmt.Sprintf(" Without a queue for dead letters: %s.", sentence(none, "and"))
	}
	return out
}

// pairs are what both Regions have of something, by Region and in the same order, and the
// names of what one of them has alone.
type pairs struct {
	both   map[*region][]thing
	alone  []string
	looked int
	not    string
}

func (w *world) paired(n namely) pairs {
	out := pairs{both: map[*region][]thing{}}
	by := map[*region]map[string]thing{}
	for _, r := range w.regions {
		all, looked, not := n.all(w, r)
		out.not = cmp.Or(out.not, not)
		out.looked += looked
		by[r] = map[string]thing{}
		for _, t := range all {
			by[r][strings.ReplaceAll(t.name, r.name, "*")] = t
		}
	}
	for _, r := range w.regions {
		for _, name := range slices.Sorted(maps.Keys(by[r])) {
			if _, also := by[w.other(r)][name]; also {
				out.both[r] = append(out.both[r], by[r][name])
			} else {
				out.alone = append(out.alone, by[r][name].name)
			}
		}
	}
	slices.Sort(out.alone)
	return out
}

// naming are the Deployments of the namespace that name something of their Region in the
// environment or the arguments of their containers: by itself, or at the end of an address.
func (w *world) naming(r *region, name string) (out []string) {
	for _, d := range r.deployments.all {
		if d.Namespace == w.inEach && slices.ContainsFunc(wordsOf(d), func(word string) bool {
			return word == name || strings.HasSuffix(word, "/"+name) || strings.HasSuffix(word, ":"+name)
		}) {
			out = append(out, d.Name)
		}
	}
	return out
}

// wordsOf are the values that a Deployment hands to its containers.
func wordsOf(d appsv1.Deployment) (out []string) {
	add := func(text string) {
		out = append(out, strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" \t\n,;=\"'", c) })...)
	}
	for _, c := range slices.Concat(d.Spec.Template.Spec.InitContainers, d.Spec.Template.Spec.Containers) {
		for _, v := range c.Env {
			add(v.Value)
		}
		for _, a := range slices.Concat(c.Command, c.Args) {
			add(a)
		}
	}
	return out
}

// listed are those of a Region that its settings list, as indices into the pairs, and the
// Deployments that name them.
func (w *world) listed(n namely, p pairs) (chosen []int, by []string) {
	for i := range p.both[w.regions[0]] {
		var who []string
		for _, r := range w.regions {
			who = append(who, w.naming(r, p.both[r][i].name)...)
		}
		if by = append(by, who...); n.certain || len(who) > 0 {
			chosen = append(chosen, i)
		}
	}
	if len(chosen) == 0 && len(p.both[w.regions[0]]) == 1 {
		chosen = []int{0}
	}
	return chosen, slices.Compact(slices.Sorted(slices.Values(by)))
}

// none is said where both Regions have nothing of it, or that is not known.
func (n namely) none(w *world, _ *region) *Setting {
	p := w.paired(n)
	name := strings.TrimPrefix(n.part, "platform.")
	switch {
	case p.not != "":
		return leave("the %ss %s by Region, or leave %s out (%s)", n.noun, n.use, name, p.not)
	case len(p.both[w.regions[0]]) > 0:
		return nil
	}
	why := fmt.Sprintf("No %s%s is in both Regions; %s looked at.", n.noun, n.of, count(p.looked, n.noun))
	if len(p.alone) > 0 {
		why += fmt.Sprintf(" In one Region alone: %s.", sentence(p.alone, "and"))
	}
	return left("%s", why)
}

// in is the list of a Region.
func (n namely) in(w *world, r *region) *Setting {
	if n.none(w, r) != nil {
		return nil
	}
	p := w.paired(n)
	chosen, by := w.listed(n, p)
	var all, rest []string
	for _, t := range p.both[r] {
		all = append(all, t.value)
	}
	if len(chosen) == 0 || len(chosen) > n.most {
		s := leave("a list of the %ss %s, of %s", n.noun, n.use, sentence(all, "and")).
			because("%s are in both Regions, and no Deployment of %s names one.", count(len(all), n.noun), w.named())
		switch not := w.clusterUnread(deploymentsUnread); {
		case len(chosen) > 0:
			s.because("%s would do, and at most %d are looked at.", count(len(chosen), n.noun), n.most)
		case not != "":
			s.because("%s are in both Regions. Which of them Deployments name is not known: %s.", count(len(all), n.noun), not)
		case w.inEach == "":
			s.because("%s are in both Regions. Which of them Deployments name is not known: the namespace of the services is open.", count(len(all), n.noun))
		}
		s.Among = all
		return s
	}
	var is []thing
	var values []string
	for i, t := range p.both[r] {
		if slices.Contains(chosen, i) {
			is, values = append(is, t), append(values, t.value)
		} else {
			rest = append(rest, t.name)
		}
	}
	var why string
	switch {
	case n.certain:
		why = fmt.Sprintf("Both Regions have it,%s.", n.of)
	case len(by) > 0:
		why = fmt.Sprintf("Both Regions have it, and it is named by %s.", sentence(by, "and"))
	default:
		why = fmt.Sprintf("The one %s that both Regions have.", n.noun)
	}
	if len(is) > 1 {
		why = strings.Replace(strings.Replace(why, "have it", "have them", 1), "it is named", "they are named", 1)
	}
	if n.more != nil {
		why += n.more(r, is)
	}
	if len(rest) > 0 {
		why += fmt.Sprintf(" Both have %s, too.", sentence(rest, "and"))
	}
	if r == w.regions[0] && len(p.alone) > 0 {
		why += fmt.Sprintf(" Left out, for one Region has it alone: %s.", sentence(p.alone, "and"))
	}
	s := has(values, "%s", why)
	s.Among = all
	return s
}
