// Follows a job until it ends, then shows the page again with its summary.

const PAUSE_MS = 1500;
const section = document.querySelector("[data-job-url]");

function rate({ songs_per_minute: perMinute, eta_seconds: eta, failed }) {
  const parts = [];
  if (perMinute) parts.push(`${Math.round(perMinute)} songs a minute`);
  if (eta !== null) parts.push(`about ${Math.ceil(eta / 60)} min left`);
  if (failed) parts.push(`${failed} failed`);
  return parts.join(" · ");
}

async function follow() {
  const response = await fetch(section.dataset.jobUrl);
  if (response.ok) {
    const { job, progress } = await response.json();
    const bar = section.querySelector("progress");
    section.querySelector("[data-status]").textContent = `${job.status}, ${progress.phase}`;
    section.querySelector("[data-done]").textContent = progress.done;
    section.querySelector("[data-total]").textContent = progress.total;
    section.querySelector("[data-rate]").textContent = rate(progress);
    bar.max = progress.total || 1;
    bar.value = progress.done;
    if (job.finished_at !== null) {
      window.location.reload();
      return;
    }
  }
  setTimeout(follow, PAUSE_MS);
}

if (section) setTimeout(follow, PAUSE_MS);
