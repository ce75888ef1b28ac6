package s3server_test

import (
	"testing"

	"sluice/deploy/local/s3server/s3test"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestBucketSettings(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	ctx := t.Context()
	loc, err := h.Client.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: aws.String(bucket)})
	if err != nil || loc.LocationConstraint != "" {
		t.Errorf("location: %v %v", loc, err)
	}
	ver, err := h.Client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: aws.String(bucket)})
	if err != nil || ver.Status != "" {
		t.Errorf("versioning: %v %v", ver, err)
	}
	if _, err := h.Client.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: aws.String(bucket)}); err != nil {
		t.Errorf("notification: %v", err)
	}
	_, err = h.Client.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: aws.String("missing")})
	s3test.WantCode(t, err, "NoSuchBucket")
	_, err = h.Client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: aws.String(bucket), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	s3test.WantCode(t, err, "NotImplemented")
	_, err = h.Client.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
		Bucket: aws.String("another"), NotificationConfiguration: &types.NotificationConfiguration{},
	})
	s3test.WantCode(t, err, "NotImplemented")

	h.Put(t, "k", "v")
	tags, err := h.Client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	if err != nil || len(tags.TagSet) != 0 {
		t.Errorf("tagging: %v %v", tags, err)
	}
	_, err = h.Client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String(bucket), Key: aws.String("none")})
	s3test.WantCode(t, err, "NoSuchKey")
	_, err = h.Client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{
		Bucket: aws.String(bucket), Key: aws.String("k"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}},
	})
	s3test.WantCode(t, err, "NotImplemented")
}
