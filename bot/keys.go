package bot

// ReviewFile is the key in State.Posts under which the uploaded review draft is
// remembered: the last thing that is said about an incident.
const ReviewFile = keyFile
