package slack

// ReviewFile is the key under which it is remembered where the uploaded review draft
// is: the last thing that is said about an incident.
const ReviewFile = keyFile
