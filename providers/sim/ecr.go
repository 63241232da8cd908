package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrt "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	corev1 "k8s.io/api/core/v1"
)

// RegistryImage is one that ECR has in a repository of a Region.
type RegistryImage struct {
	Digest string    `json:"digest"`
	Tags   []string  `json:"tags"`
	Pushed time.Time `json:"pushed"`
	// Archived images have to be restored before they can be pulled.
	Archived bool `json:"archived,omitempty"`
}

// release is the tag that every service runs.
const release = "2026.02"

// beginRepositories are those of a Region: one for each service, with the image that it
// runs. It has been replicated, so its digest is the same everywhere.
func beginRepositories(at time.Time) map[string][]RegistryImage {
	out := map[string][]RegistryImage{}
	for _, name := range serviceNames() {
		out[name] = []RegistryImage{{Digest: digestOf(name, release), Tags: []string{release}, Pushed: at}}
	}
	return out
}

func digestOf(words ...any) string {
	s := "sha256:"
	for i := range uint64(4) {
		s += fmt.Sprintf("%016x", draw(i, 1<<62, words...))
	}
	return s
}

// registryOf is the name of a Region's registry.
func registryOf(region string) string { return account + ".dkr.ecr." + region + ".amazonaws.com" }

// pulled is what a container runs whose image was pulled from a Region's registry: the
// image by digest. What lies elsewhere, or is not there, is not known.
func (s *State) pulled(image string) string {
	host, name, _ := strings.Cut(image, "/")
	for _, region := range regionNames {
		if host != registryOf(region) {
			continue
		}
		repository, tag, _ := strings.Cut(name, ":")
		if repository, digest, ok := strings.Cut(name, "@"); ok {
			return host + "/" + repository + "@" + digest
		}
		for _, i := range s.Regions[region].Repositories[repository] {
			if slices.Contains(i.Tags, tag) {
				return host + "/" + repository + "@" + i.Digest
			}
		}
	}
	return ""
}

// started are the statuses of containers that run.
func (s *State) started(containers []corev1.Container, state corev1.ContainerState, ready bool) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for _, c := range containers {
		out = append(out, corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: s.pulled(c.Image), Ready: ready, Started: ptr(true), State: state})
	}
	return out
}

var ecrAPI = awsAPI{
	system:     "aws.ecr",
	operations: map[string]operation{"DescribeImages": reads(describeImages)},
	target: func(in any) string {
		if in, ok := in.(*ecr.DescribeImagesInput); ok {
			return deref(in.RepositoryName)
		}
		return ""
	},
}

func describeImages(r request, in *ecr.DescribeImagesInput) (*ecr.DescribeImagesOutput, error) {
	name, registry := deref(in.RepositoryName), account
	if in.RegistryId != nil {
		registry = *in.RegistryId
	}
	all, there := r.Regions[r.region].Repositories[name]
	if !there || registry != account {
		return nil, &ecrt.RepositoryNotFoundException{Message: ptr(fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", name, registry))}
	}
	out := &ecr.DescribeImagesOutput{}
	for _, id := range in.ImageIds {
		i := slices.IndexFunc(all, func(i RegistryImage) bool {
			return id.ImageDigest != nil && i.Digest == *id.ImageDigest || id.ImageTag != nil && slices.Contains(i.Tags, *id.ImageTag)
		})
		if i < 0 { // the whole call, as ECR does
			return nil, &ecrt.ImageNotFoundException{Message: ptr(fmt.Sprintf("The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'", deref(id.ImageDigest), deref(id.ImageTag), name, registry))}
		}
		d := ecrt.ImageDetail{
			RegistryId: ptr(account), RepositoryName: ptr(name), ImageDigest: ptr(all[i].Digest), ImageTags: all[i].Tags,
			ImagePushedAt: ptr(all[i].Pushed), ImageStatus: ecrt.ImageStatusActive,
		}
		if all[i].Archived {
			d.ImageStatus = ecrt.ImageStatusArchived
		}
		out.ImageDetails = append(out.ImageDetails, d)
	}
	return out, nil
}
