// Package ecr looks whether the target's own registry has the images that its Deployments
// are made of.
//
// It asks Amazon ECR in the target, for each image by itself. What runs in the source is
// compared in a planned run, where it answers in time; an unplanned one does not ask the
// Region being left. With ECR out of reach the check ends in an error that says which
// image could not be asked for.
package ecr

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	// shown is how many of a kind a sentence tells, and kept how many images the
	// evidence does.
	shown, kept = 5, 40
	// atOnce is how many images are asked for at the same time.
	atOnce = 32
	// sourceTime is how long the Region being left may take to say what runs there.
	sourceTime = 10 * time.Second
)

// Image is that of one container of a Deployment.
type Image struct {
	Deployment, Container string
	// Reference is what the Deployment names: registry/repository:tag or @digest.
	Reference string
	// Running are what its pods run, as registry/repository@digest.
	Running []string
}

// Images are those of all Deployments of the platform in a Region. Its errors are faults
// of a read.
type Images func(ctx context.Context, p *runbook.Plan, r runbook.Region) ([]Image, error)

// ECR reaches the registries of an account.
type ECR struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	images Images
	clock  incident.Clock
}

// New returns the registries reached through config, which gives the settings for calls
// to one Region; images tells what the Deployments of a Region are made of.
func New(config func(region string) aws.Config, reads *awserr.Reads, images Images, clock incident.Clock) *ECR {
	return &ECR{config: config, reads: reads, images: images, clock: clock}
}

// key is an image of the target's registries: one call of DescribeImages.
type key struct{ account, repository, id string }

func (r reference) key() key { return key{r.account, r.repository, r.id} }

// found is what the target's registry has under a key.
type found struct {
	key
	digest string
	status types.ImageStatus
	// missing: neither an image nor, with noRepository, a repository of that name.
	missing, noRepository bool
	err                   error
}

// Images checks that each image of the target's Deployments, init containers included, is
// in the target's own registry and can be pulled: as the Deployments name it, and by
// digest what their pods run; in a planned run also what runs in the source. An image
// that would be pulled from another Region's registry is a no, for that may be the Region
// that is gone. One of a registry that is not ECR cannot be looked at, and is told.
func (e *ECR) Images(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	f := &finding{now: e.clock.Now(), region: p.Target.Name, source: p.Source.Name, planned: p.Mode == "planned"}
	var here, there []Image
	reads := []func() error{func() (err error) { here, err = e.images(ctx, p, p.Target); return err }}
	if f.planned {
		reads = append(reads, func() (err error) {
			ctx, cancel := e.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", f.source, sourceTime))
			defer cancel()
			there, err = e.images(ctx, p, p.Source)
			return err
		})
	}
	faults := make([]error, len(reads))
	incident.Together(e.clock, len(reads), func(i int) { faults[i] = reads[i]() })
	if faults[0] != nil {
		return engine.Outcome{}, false, faults[0]
	}
	if f.planned {
		f.unread = faults[1]
	}
	f.take(here, there)
	f.has = map[key]found{}
	for part := range slices.Chunk(slices.SortedFunc(maps.Keys(f.asked), compare), atOnce) {
		answers := make([]found, len(part))
		incident.Together(e.clock, len(part), func(i int) { answers[i] = e.describe(ctx, f.region, part[i]) })
		for _, a := range answers {
			if a.err != nil {
				return engine.Outcome{}, false, fmt.Errorf("describe image %s in %s: %w", a.key, f.region, a.err)
			}
			f.has[a.key] = a
		}
	}
	o, ok := f.answer()
	return o, ok, nil
}

// Digest is what a Region's own registry has under the name of an image; nothing where the
// image is of another registry, or is not there.
func (e *ECR) Digest(ctx context.Context, region, image string) (string, error) {
	r := parse(image)
	switch {
	case r.byDigest():
		return r.id, nil
	case r.region != region:
		return "", nil
	}
	f := e.describe(ctx, region, r.key())
	if f.err != nil {
		return "", fmt.Errorf("describe image %s in %s: %w", f.key, region, f.err)
	}
	return f.digest, nil
}

// describe asks for one image: a call that names several is refused as a whole where one
// of them is missing.
func (e *ECR) describe(ctx context.Context, region string, k key) found {
	id := types.ImageIdentifier{ImageTag: aws.String(k.id)}
	if strings.Contains(k.id, ":") {
		id = types.ImageIdentifier{ImageDigest: aws.String(k.id)}
	}
	out, err := ecr.NewFromConfig(e.config(region)).DescribeImages(ctx, &ecr.DescribeImagesInput{
		RegistryId: aws.String(k.account), RepositoryName: aws.String(k.repository), ImageIds: []types.ImageIdentifier{id},
	}, func(o *ecr.Options) { o.Retryer = e.reads.Call() })
	switch code := awserr.Code(err); {
	case code == "RepositoryNotFoundException":
		return found{key: k, missing: true, noRepository: true}
	case code == "ImageNotFoundException":
		return found{key: k, missing: true}
	case err != nil:
		return found{key: k, err: awserr.SortRead(ctx, err)}
	case len(out.ImageDetails) == 0:
		return found{key: k, missing: true}
	}
	d := out.ImageDetails[0]
	return found{key: k, digest: aws.ToString(d.ImageDigest), status: d.ImageStatus}
}

// finding is what the images of a run's Regions come to.
type finding struct {
	now            time.Time
	region, source string
	planned        bool
	unread         error // why what runs in the source is not known

	images int
	// asked are what has to be in the target, each with whose it is; has is what is.
	asked map[key][]string
	has   map[key]found
	// elsewhere are pulled from another Region, outside from a registry that is not ECR.
	elsewhere, outside []string
	// pairs are the same container in both Regions.
	pairs []pair
}

// pair is a container's image as the target would pull it, and what runs in the source.
type pair struct {
	of      string
	target  reference
	running []string // digests
}

// take sorts the images of both Regions.
func (f *finding) take(here, there []Image) {
	f.images, f.asked = len(here), map[key][]string{}
	ask := func(r reference, of string) {
		if !slices.Contains(f.asked[r.key()], of) {
			f.asked[r.key()] = append(f.asked[r.key()], of)
		}
	}
	named := map[string]reference{}
	for _, i := range here {
		r := parse(i.Reference)
		named[i.name()] = r
		switch {
		case r.region == "":
			f.outside = append(f.outside, fmt.Sprintf("%s (%s)", i.name(), r.host))
			continue
		case r.region != f.region:
			f.elsewhere = append(f.elsewhere, fmt.Sprintf("%s pulls %s from %s", i.name(), r, r.region))
			continue
		}
		ask(r, i.name())
		for _, id := range i.Running {
			if r := parse(id); r.region == f.region && r.byDigest() {
				ask(r, i.name())
			}
		}
	}
	for _, i := range there {
		var digests []string
		for _, id := range i.Running {
			r := parse(id)
			if r.region == "" || !r.byDigest() {
				continue
			}
			ask(r, i.name()+" in "+f.source)
			digests = append(digests, r.id)
		}
		if r, both := named[i.name()]; both && r.region == f.region && len(digests) > 0 {
			f.pairs = append(f.pairs, pair{i.name(), r, digests})
		}
	}
}

// answer is the outcome of all that was found.
func (f *finding) answer() (engine.Outcome, bool) {
	var wrong, warn []string
	missing := 0
	o := engine.Outcome{Evidence: map[string]string{"region": f.region, "images": fmt.Sprint(f.images)}}
	for _, k := range slices.SortedFunc(maps.Keys(f.asked), compare) {
		of := strings.Join(f.asked[k], ", ")
		a, word := f.has[k], ""
		switch {
		case a.noRepository:
			word = fmt.Sprintf("%s has no repository %s (%s)", f.region, k.repository, of)
		case a.missing:
			word = fmt.Sprintf("%s is not in %s (%s)", k, f.region, of)
		case a.status != "" && a.status != types.ImageStatusActive:
			word = fmt.Sprintf("%s in %s is %s and cannot be pulled (%s)", k, f.region, a.status, of)
		}
		if word != "" {
			missing++
			wrong = append(wrong, word)
		}
		if word != "" || len(o.Evidence) < kept {
			o.Evidence[k.String()] = a.told() + " (" + of + ")"
		}
	}
	for _, p := range f.pairs {
		if d := f.has[p.target.key()].digest; d != "" && !slices.Contains(p.running, d) {
			var runs []string
			for _, r := range p.running {
				runs = append(runs, short(r))
			}
			warn = append(warn, fmt.Sprintf("%s would run %s, and %s runs %s", p.of, short(d), f.source, strings.Join(runs, " and ")))
		}
	}
	wrong = append(slices.Clone(f.elsewhere), wrong...)
	limit := 0.0
	o.Measured = incident.Measured{Verdict: incident.Pass, AsOf: f.now, Figures: []incident.Figure{
		{Name: "images missing in the target", Value: float64(missing), Unit: "images", Limit: &limit},
		{Name: "images of another Region's registry", Value: float64(len(f.elsewhere)), Unit: "images", Limit: &limit},
	}}
	switch {
	case f.images == 0:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("there is no Deployment in %s whose images could be looked at", f.region)
		return o, false
	case len(wrong) > 0:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("pods could not start in %s with %s alone: %s", f.region, f.region, text.Some(wrong, shown))
		return o, false
	}
	o.Summary = fmt.Sprintf("%s of the Deployments in %s %s there", text.Count(f.images, "image"), f.region, text.Are(f.images))
	switch {
	case f.unread != nil:
		o.Evidence["source"] = f.unread.Error()
		warn = append(warn, fmt.Sprintf("what runs in %s could not be compared: %v", f.source, f.unread))
	case f.planned:
		o.Evidence["source"] = "compared with what runs in " + f.source
		o.Summary += ", and so is what runs in " + f.source
	default:
		o.Evidence["source"] = "not asked in an unplanned run"
		o.Summary += fmt.Sprintf("; %s, which is left, was not asked what runs there", f.source)
	}
	if len(f.outside) > 0 {
		warn = append(warn, "not looked at are those of other registries: "+text.Some(f.outside, shown))
	}
	if len(warn) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; " + text.Some(warn, shown)
	}
	return o, true
}

func (i Image) name() string {
	if i.Container == i.Deployment {
		return i.Deployment
	}
	return i.Deployment + "/" + i.Container
}

// String is the image within its registry.
func (k key) String() string { return reference{repository: k.repository, id: k.id}.String() }

func (f found) told() string {
	switch {
	case f.noRepository:
		return "no such repository"
	case f.missing:
		return "missing"
	}
	return strings.TrimSpace(strings.ToLower(string(f.status)) + " " + f.digest)
}

func compare(a, b key) int {
	return strings.Compare(a.account+"/"+a.repository+"/"+a.id, b.account+"/"+b.repository+"/"+b.id)
}
